"""A taxonomy's tests: run, held against what they expect, explained, and what would make them pass.

A case comes from the taxonomy's `tests`, or from labelled data. Nothing is judged twice: what the model said of a case
is remembered for as long as it reads the same policy, and new thresholds are applied to that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.errors import InputError
from guardcli.evaluation.datasets import FieldSpec, Sample, read_dataset
from guardcli.judging import DecisionRule, Guard, redecision
from guardcli.judging.reader import VerdictRow
from guardcli.judging.writers import jsonl
from guardcli.taxonomy import Taxonomy

Status = Literal["passed", "failed", "todo", "todo passed"]


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation, of which the last message is judged, and what is expected of it: the verdict, and category ids
    that must be among those listed. `labelled` cases come from data and not from the taxonomy."""

    name: str
    place: str
    conversation: Conversation
    expect: Literal["safe", "unsafe"]
    categories: tuple[str, ...] = ()
    todo: bool = False
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case: the row of its verdict, and why it is not as expected (None: it is)."""

    case: Case
    row: VerdictRow
    reason: str | None

    @property
    def status(self) -> Status:
        if self.reason is None:
            return "todo passed" if self.case.todo else "passed"
        return "todo" if self.case.todo else "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """All cases of a taxonomy, as it decides them now."""

    results: tuple[Result, ...]
    decision: DecisionRule

    def flag_rate(self) -> float | None:
        """The share of the labelled safe cases that are called unsafe, or cannot be judged; None if there are none."""
        benign = [result for result in self.results if result.case.labelled and result.case.expect == "safe"]
        wrong = sum(result.row["verdict"] != "safe" for result in benign)
        return wrong / len(benign) if benign else None

    def failed(self, *, labelled: bool) -> list[Result]:
        """The cases that failed; `labelled` ones only if asked for."""
        return [r for r in self.results if r.status == "failed" and (labelled or not r.case.labelled)]


def cases_of(taxonomy: Taxonomy) -> list[Case]:
    """The tests that a taxonomy holds."""
    found = []
    for test in taxonomy.tests:
        said = (("user", test.prompt), ("assistant", test.response))
        messages = tuple(Message(role, text) for role, text in said if text is not None)  # type: ignore[arg-type]
        place = f"{test.place.path}:{test.place.line}"
        found.append(Case(test.name, place, Conversation(messages), test.expect, test.categories, test.todo))
    return found


@dataclass(frozen=True, slots=True)
class Data:
    """Cases from labelled records, and how many records are none, by reason."""

    cases: tuple[Case, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)


def labelled(records: Iterable[Record | Malformed], field_spec: FieldSpec | None = None) -> Data:
    """Cases of records that have a label, wherever `evaluation.datasets` finds it.

    Raises:
        InputError: a record cannot be read, or its label is neither safe nor unsafe.
    """
    dataset = read_dataset(records, field_spec)
    for unreadable in dataset.unreadable:
        raise InputError(f"{unreadable.key.location}: {unreadable.reason}")
    return Data(tuple(map(_case, dataset.samples)), dataset.left_out)


def _case(sample: Sample) -> Case:
    record = sample.record
    place = record.key.location
    if isinstance(record, Malformed):
        raise InputError(f"{place}: {record.reason}")
    expect: Literal["safe", "unsafe"] = "unsafe" if sample.unsafe else "safe"
    return Case(record.key.id or place, place, record.conversation, expect, labelled=True)


class Session:
    """Runs the tests of a taxonomy while it is being edited, on one model that stays loaded."""

    def __init__(self, open_guard: Callable[[Taxonomy], Guard]) -> None:
        """`open_guard` puts a taxonomy on the model; it reads scores for every row (`scores`) and judges the last
        message."""
        self._open = open_guard
        self._guard: Guard | None = None
        self._known: dict[Conversation, VerdictRow] = {}

    def run(self, taxonomy: Taxonomy, cases: Sequence[Case]) -> Run:
        """Hold a taxonomy against cases; only those are judged that the model has not seen under what it reads now.

        Raises:
            GuardError: the taxonomy does not fit the model, or the model fails.
        """
        guard = self._opened(taxonomy)
        decision = DecisionRule.from_taxonomy(taxonomy, guard.config.threshold)
        fresh = list(dict.fromkeys(case.conversation for case in cases if case.conversation not in self._known))
        records = (Record(Key(None, number), conversation) for number, conversation in enumerate(fresh, start=1))
        for conversation, verdict in zip(fresh, guard.judge(records), strict=True):
            self._known[conversation] = jsonl.row(verdict)
        ids = guard.decision.ids
        rows = (redecision.redecide(self._known[case.conversation], decision, ids) for case in cases)
        results = (Result(case, row, reason(case, row, decision)) for case, row in zip(cases, rows, strict=True))
        return Run(tuple(results), decision)

    def close(self) -> None:
        """Free the engine; the model stays."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def _opened(self, taxonomy: Taxonomy) -> Guard:
        """The guard of what the model reads; another one, with nothing known, if that changed."""
        before = self._guard
        one_by_one = any(category.threshold is not None for category in taxonomy.categories)
        same = before is not None and before.taxonomy.prompt_digest == taxonomy.prompt_digest
        if before is not None and same and before.per_category == (before.config.per_category or one_by_one):
            return before
        guard = self._open(taxonomy)  # if this fails, the one before stays
        self.close()
        self._guard = guard
        self._known.clear()
        return guard


def reason(case: Case, row: VerdictRow, decision: DecisionRule) -> str | None:
    """Why a row is not what a case expects; None if it is."""
    verdict, listed = row["verdict"], row["categories"]
    if verdict == "error":
        return f"could not be judged: {row['error']}"
    if verdict != case.expect:
        return f"{verdict}{_by(row)}, {case.expect} expected"
    wanted = [decision.labels[id_] for id_ in case.categories]
    if listed is not None and (missing := [label for label in wanted if label not in listed]):
        return f"lists {', '.join(listed)} and not {', '.join(missing)}"
    return None


def suggestions(run: Run, result: Result) -> list[str]:
    """What would make a failed case pass: a move of a threshold with what it costs elsewhere, or the category that
    took the verdict instead."""
    row, case = result.row, result.case
    if row["score"] is None:
        return []
    if row["verdict"] == case.expect:
        return [_who_took_it(result, run.decision)]
    return [_cost(run, result, moved, words) for words, moved in _moves(result, run.decision)] or [
        "no threshold makes it pass: change what the model reads, by a description or an example"
    ]


def _by(row: VerdictRow) -> str:
    return f" ({', '.join(row['categories'])})" if row["verdict"] == "unsafe" and row["categories"] else ""


def _moves(result: Result, decision: DecisionRule) -> Iterator[tuple[str, DecisionRule]]:
    """Thresholds that give the expected verdict, and what to write for them."""
    row, case = result.row, result.case
    if row["scoring"] != "each":
        threshold = _threshold_for(row["score"], case.expect)
        if threshold is not None:
            yield f"threshold: {threshold:g} (now {decision.threshold:g})", replace(decision, threshold=threshold)
        return
    ids = decision.ids
    scores = {ids[label]: score for label, score in row["category_scores"].items()}
    if case.expect == "safe":
        changed = {id_: _threshold_for(scores[id_], "safe") for id_ in decision.violated(scores)}
    else:
        id_ = max(case.categories or scores, key=lambda id_: scores[id_] - decision.threshold_of(id_))
        changed = {id_: _threshold_for(scores[id_], "unsafe")}
    known = {id_: threshold for id_, threshold in changed.items() if threshold is not None}
    if len(known) == len(changed):
        words = ", ".join(
            f"{id_} {threshold:g} (now {decision.threshold_of(id_):g})" for id_, threshold in known.items()
        )
        yield f"threshold of {words}", replace(decision, thresholds={**decision.thresholds, **known})


def _threshold_for(score: float, expect: str) -> float | None:
    """The nearest threshold of four decimals under which a score gets a verdict; None if there is none in (0, 1]."""
    steps = math.floor(score * 10_000) if expect == "unsafe" else math.floor(score * 10_000) + 1
    return steps / 10_000 if 0 < steps <= 10_000 else None


def _cost(run: Run, result: Result, moved: DecisionRule, words: str) -> str:
    """A move, with the cases that it would break and those that it would mend besides."""
    ids = run.decision.ids
    broken, mended = [], 0
    for other in run.results:
        passes = reason(other.case, redecision.redecide(other.row, moved, ids), moved) is None
        if other.reason is None and not passes:
            broken.append(other.case.name)
        mended += other.reason is not None and passes and other is not result
    cost = (
        f"breaks {len(broken)} ({', '.join(broken[:3])}{', …' if len(broken) > 3 else ''})" if broken else "breaks none"
    )
    return f"{words}: {cost}" + (f", mends {mended} more" if mended else "")


def _who_took_it(result: Result, decision: DecisionRule) -> str:
    listed: Mapping[str, float] = result.row["listed_scores"] or result.row["category_scores"] or {}
    wanted = [decision.labels[id_] for id_ in result.case.categories]
    shares = ", ".join(f"{label} {listed.get(label, 0.0):.3f}" for label in wanted)
    first = max(listed, key=lambda label: listed[label], default="-")
    return (
        f"{first} took the verdict ({listed.get(first, 0.0):.3f}; {shares}): tell the two apart by their descriptions"
    )
