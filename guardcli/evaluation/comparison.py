"""Compare two runs over the same records, verdict by verdict."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import tee
from typing import TYPE_CHECKING, TypeAlias

from guardcli.conversation import Malformed, Record
from guardcli.judging.decision import Label
from guardcli.judging.histogram import ScoreHistogram
from guardcli.judging.reader import group_by_record
from guardcli.judging.redecision import Redecision
from guardcli.judging.topk import TopK
from guardcli.judging.verdict import Provenance, RecordKey, Verdict

if TYPE_CHECKING:
    from guardcli.judging import Guard

MAX_SHOWN = 20  # row pairs that are kept to be read, of each kind of flip and of the largest score deltas

# Pairs of verdicts that differ, by what a reader must see first: what passes now, what is flagged now, what was lost.
FLIPS: tuple[tuple[Label, Label], ...] = (
    ("unsafe", "safe"),
    ("safe", "unsafe"),
    ("unsafe", "error"),
    ("safe", "error"),
    ("error", "unsafe"),
    ("error", "safe"),
)

RowPair: TypeAlias = tuple[Verdict, Verdict]


@dataclass(slots=True)
class Comparison:
    """What differs between two runs.

    `verdicts` counts row pairs by (verdict before, verdict after). `flips` keeps some pairs of each kind whose verdicts
    differ, in the order of FLIPS; `relabeled` some that are unsafe in both runs with different categories, of
    `num_relabeled`; and `largest_deltas` some of all pairs: the largest change of the score first, then the highest
    score. `gained` and `lost` count categories that only the row after, or only the row before, lists.

    Of each run, (before, after): `unmatched` counts rows without a counterpart, `made_by`, `thresholds` and
    `temperatures` (None: raw scores decided) what its rows were judged with, and `histograms` their scores, of pairs
    only.
    """

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    flips: dict[tuple[str, str], list[RowPair]] = field(default_factory=dict)
    relabeled: list[RowPair] = field(default_factory=list)
    num_relabeled: int = 0
    largest_deltas: list[RowPair] = field(default_factory=list)
    unmatched: tuple[int, int] = (0, 0)
    made_by: tuple[Counter[Provenance], Counter[Provenance]] = field(default_factory=lambda: (Counter(), Counter()))
    thresholds: tuple[Counter[float], Counter[float]] = field(default_factory=lambda: (Counter(), Counter()))
    temperatures: tuple[Counter[float | None], Counter[float | None]] = field(
        default_factory=lambda: (Counter(), Counter())
    )
    histograms: tuple[ScoreHistogram, ScoreHistogram] = field(
        default_factory=lambda: (ScoreHistogram(), ScoreHistogram())
    )

    @property
    def num_matched(self) -> int:
        return self.verdicts.total()

    @property
    def num_changed(self) -> int:
        """The number of pairs whose verdicts differ."""
        return sum(count for (before, after), count in self.verdicts.items() if before != after)

    @property
    def agreement(self) -> float | None:
        """The fraction of pairs with equal verdicts; None without pairs."""
        return 1 - self.num_changed / self.num_matched if self.num_matched else None

    @property
    def p_value(self) -> float:
        """The p-value of McNemar's exact test for the flips between safe and unsafe."""
        return mcnemar_p_value(self.verdicts["safe", "unsafe"], self.verdicts["unsafe", "safe"])


def compare_runs(before: Iterable[Verdict], after: Iterable[Verdict]) -> Comparison:
    """Compare two runs row by row. Memory is bounded where both have the same order, as runs over one input have."""
    comparison = Comparison()
    flips: dict[tuple[str, str], TopK[RowPair]] = {}
    relabeled: TopK[RowPair] = TopK(MAX_SHOWN)
    largest_deltas: TopK[RowPair] = TopK(MAX_SHOWN)
    unmatched = [0, 0]
    for row_before, row_after in align_rows(before, after):
        if row_before is None or row_after is None:
            unmatched[row_before is None] += 1
            continue
        pair = (row_before, row_after)
        verdicts = (row_before.verdict, row_after.verdict)
        _count(comparison, pair)
        delta = abs(score_delta(pair))
        weight = delta, max(row.judged_score or 0.0 for row in pair)
        if verdicts[0] != verdicts[1]:
            flips.setdefault(verdicts, TopK(MAX_SHOWN)).add(weight, pair)
        elif verdicts == ("unsafe", "unsafe") and _category_sets(pair)[0] != _category_sets(pair)[1]:
            comparison.num_relabeled += 1
            relabeled.add(weight, pair)
        if delta:
            largest_deltas.add(weight, pair)
    comparison.flips = {verdicts: flips[verdicts].items() for verdicts in FLIPS if verdicts in flips}
    comparison.relabeled, comparison.largest_deltas = relabeled.items(), largest_deltas.items()
    comparison.unmatched = (unmatched[0], unmatched[1])
    return comparison


def _count(comparison: Comparison, pair: RowPair) -> None:
    """Count a pair, and what its rows were made of."""
    comparison.verdicts[pair[0].verdict, pair[1].verdict] += 1
    was, now = _category_sets(pair)
    comparison.gained.update(now - was)
    comparison.lost.update(was - now)
    for side, row in enumerate(pair):
        comparison.made_by[side][row.provenance] += 1
        comparison.thresholds[side][row.threshold] += 1
        comparison.temperatures[side][row.temperature] += 1
        if row.judged_score is not None:
            comparison.histograms[side].add(row.judged_score)


def _category_sets(pair: RowPair) -> tuple[set[str], set[str]]:
    before, after = pair
    return set(before.categories or ()), set(after.categories or ())


def compare_guards(records: Iterable[Record | Malformed], before: Guard, after: Guard) -> Comparison:
    """Judge records with two guards, such as those of two policies, and compare the verdicts.

    If both make the same prompts of the same model, the records are judged once, and decided again for the other
    guard: by the lower threshold first, because only unsafe rows have categories.

    Raises:
        GuardError: as `Guard.judge`.
    """
    if not _same_prompts(before, after):
        ones, others = tee(records)
        return compare_runs(before.judge(ones), after.judge(others))
    if before.rule.raw_threshold <= after.rule.raw_threshold:
        rows, copies = tee(before.judge(records))
        return compare_runs(rows, _redecided(copies, before, after))
    rows, copies = tee(after.judge(records))
    return compare_runs(_redecided(copies, after, before), rows)


def _same_prompts(before: Guard, after: Guard) -> bool:
    return (
        before.model is after.model
        and before.taxonomy.prompt_digest == after.taxonomy.prompt_digest
        and before.per_category == after.per_category
    )


def _redecided(rows: Iterable[Verdict], judged: Guard, other: Guard) -> Iterator[Verdict]:
    """The rows of one guard as the other one decides them."""
    redecision = Redecision.from_taxonomy(
        other.taxonomy,
        threshold=other.config.threshold,
        before=judged.taxonomy,
        calibration=other.config.calibration,
    )
    return map(redecision.apply, rows)


def align_rows(before: Iterable[Verdict], after: Iterable[Verdict]) -> Iterator[tuple[Verdict | None, Verdict | None]]:
    """Yield the rows of two runs in pairs; None where a run lacks the row.

    A record with one row in both runs is matched even if different turns decided it, other rows by turn.
    """
    sides = (group_by_record(before), group_by_record(after))
    # Records that only one side has yielded so far; both sides are read in turn.
    waiting: tuple[dict[RecordKey, list[Verdict]], ...] = ({}, {})
    open_sides = [0, 1]
    while open_sides:
        for side in list(open_sides):
            record = next(sides[side], None)
            if record is None:
                open_sides.remove(side)
                continue
            key, rows = record
            if key in waiting[1 - side]:
                others = waiting[1 - side].pop(key)
                yield from _align_record(*((rows, others) if side == 0 else (others, rows)))
            else:
                waiting[side].setdefault(key, []).extend(rows)
    for rows in waiting[0].values():
        yield from ((row, None) for row in rows)
    for rows in waiting[1].values():
        yield from ((None, row) for row in rows)


def score_delta(pair: RowPair) -> float:
    """How much the score rose; 0 where one of the rows is an error."""
    before, after = (row.judged_score for row in pair)
    return 0.0 if before is None or after is None else after - before


def mcnemar_p_value(one: int, other: int) -> float:
    """The two-sided p-value of McNemar's exact test for discordant pairs: a binomial with even odds."""
    total, smaller = one + other, min(one, other)
    if total == 0:
        return 1.0
    # Summed in logarithms: the binomial coefficients of a large total do not fit into a float.
    logs = [math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) for k in range(smaller + 1)]
    tail = math.fsum(math.exp(log - total * math.log(2)) for log in logs)
    return min(1.0, 2 * tail)


def _align_record(before: list[Verdict], after: list[Verdict]) -> Iterator[tuple[Verdict | None, Verdict | None]]:
    if len(before) == len(after) == 1:
        yield before[0], after[0]
        return
    rows_by_turn: dict[int | None, deque[Verdict]] = {}
    for row in after:
        rows_by_turn.setdefault(row.turn, deque()).append(row)
    for row in before:
        same_turn = rows_by_turn.get(row.turn)
        yield row, same_turn.popleft() if same_turn else None
    yield from ((None, row) for rows in rows_by_turn.values() for row in rows)
