"""Two runs over the same records → what changed between them, in numbers. Pure: rows in, a `Comparison` out."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from guardcli.judging.reader import RecordKey, VerdictRow, group_by_record
from guardcli.judging.topk import TopK

SHOWN = 20  # flips of each kind, and moves, that are kept to be looked at

Pair: TypeAlias = tuple[VerdictRow, VerdictRow]


@dataclass(slots=True)
class Comparison:
    """`table` counts pairs of verdicts, (before, after). `flips` keeps some of each pair that differs, the largest
    moves of the score first; `moves` those among all pairs. `gained` and `lost` count categories that only one of the
    two rows lists. `unmatched` counts rows that only one run has: (before, after)."""

    table: Counter[tuple[str, str]] = field(default_factory=Counter)
    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    flips: dict[tuple[str, str], list[Pair]] = field(default_factory=dict)
    moves: list[Pair] = field(default_factory=list)
    unmatched: tuple[int, int] = (0, 0)

    @property
    def matched(self) -> int:
        return self.table.total()

    @property
    def changed(self) -> int:
        """Pairs whose verdicts differ."""
        return sum(count for (before, after), count in self.table.items() if before != after)

    @property
    def agreement(self) -> float | None:
        """The share of pairs with equal verdicts; None without pairs."""
        return 1 - self.changed / self.matched if self.matched else None

    @property
    def p_value(self) -> float:
        """McNemar's test, exact: how likely so uneven a number of flips is, were both directions as likely."""
        return mcnemar(self.table["safe", "unsafe"], self.table["unsafe", "safe"])


def compare(before: Iterable[VerdictRow], after: Iterable[VerdictRow]) -> Comparison:
    """Compare runs row by row. Memory is bounded where both are in the same order, as runs over the same input are."""
    result = Comparison()
    flips: dict[tuple[str, str], TopK[Pair]] = {}
    moves: TopK[Pair] = TopK(SHOWN)
    alone = [0, 0]
    for one, other in pairs(before, after):
        if one is None or other is None:
            alone[one is None] += 1
            continue
        verdicts = (one["verdict"], other["verdict"])
        result.table[verdicts] += 1
        far = abs(move((one, other)))
        was, now = set(one["categories"] or ()), set(other["categories"] or ())
        result.gained.update(now - was)
        result.lost.update(was - now)
        if verdicts[0] != verdicts[1]:
            flips.setdefault(verdicts, TopK(SHOWN)).add(far, (one, other))
        if far:
            moves.add(far, (one, other))
    result.flips = {verdicts: largest.items() for verdicts, largest in sorted(flips.items())}
    result.moves = moves.items()
    result.unmatched = (alone[0], alone[1])
    return result


def pairs(
    before: Iterable[VerdictRow], after: Iterable[VerdictRow]
) -> Iterator[tuple[VerdictRow | None, VerdictRow | None]]:
    """The rows of two runs side by side; None where a run lacks the row.

    A record with one row in both is matched whatever turn decided it; else rows are matched by turn.
    """
    sides = (group_by_record(before), group_by_record(after))
    waiting: tuple[dict[RecordKey, list[VerdictRow]], ...] = ({}, {})
    open_sides = [0, 1]
    while open_sides:
        for side in list(open_sides):
            found = next(sides[side], None)
            if found is None:
                open_sides.remove(side)
                continue
            key, rows = found
            if key in waiting[1 - side]:
                others = waiting[1 - side].pop(key)
                yield from _of_record(*((rows, others) if side == 0 else (others, rows)))
            else:
                waiting[side].setdefault(key, []).extend(rows)
    for rows in waiting[0].values():
        yield from ((row, None) for row in rows)
    for rows in waiting[1].values():
        yield from ((None, row) for row in rows)


def move(pair: Pair) -> float:
    """How far the score went up; 0 where one of the two has none."""
    before, after = (row["score"] for row in pair)
    return 0.0 if before is None or after is None else after - before


def mcnemar(one: int, other: int) -> float:
    """The two-sided p-value of McNemar's exact test for discordant pairs: a binomial with even odds."""
    total, least = one + other, min(one, other)
    if total == 0:
        return 1.0
    # Summed in logarithms: the binomial coefficients of a large total are no floats.
    log = [math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) for k in range(least + 1)]
    tail = math.fsum(math.exp(value - total * math.log(2)) for value in log)
    return min(1.0, 2 * tail)


def _of_record(
    before: list[VerdictRow], after: list[VerdictRow]
) -> Iterator[tuple[VerdictRow | None, VerdictRow | None]]:
    if len(before) == len(after) == 1:
        yield before[0], after[0]
        return
    left: dict[int | None, deque[VerdictRow]] = {}
    for row in after:
        left.setdefault(row["turn"], deque()).append(row)
    for row in before:
        same_turn = left.get(row["turn"])
        yield row, same_turn.popleft() if same_turn else None
    yield from ((None, row) for rows in left.values() for row in rows)
