"""Run the tests of a taxonomy, explain why some fail, and suggest what would make them pass.

A test case comes from the taxonomy's `tests`, or from a labeled data set. Nothing is judged twice: verdicts are cached
as long as the model reads the same prompt, and new thresholds are applied to the cached scores.
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
from guardcli.judging import DecisionRule, Guard, Verdict
from guardcli.judging.redecision import Redecision, redecide
from guardcli.taxonomy import Taxonomy
from guardcli.text.lists import join_words

_LARGE_CHANGE = 1.0  # of a threshold, in log-odds
_NEARLY_ZERO = 1e-6  # thresholds of 0 and 1 have no log-odds
_MAX_NAMED = 3  # tests that a suggestion would break
_MIN_EVIDENCE = 30  # cases: if a change flags none of n, up to 3/n of what is like them may still be flagged

PolicyTestStatus = Literal["passed", "failed", "todo", "todo passed"]


@dataclass(frozen=True, slots=True)
class PolicyTestCase:
    """A conversation whose last message is judged, and the expected verdict.

    `categories` are ids that must be among those listed. `labeled` cases come from a data set and not from the
    taxonomy. A `todo` case is known to fail.
    """

    name: str
    location: str
    conversation: Conversation
    expect: Literal["safe", "unsafe"]
    categories: tuple[str, ...] = ()
    todo: bool = False
    labeled: bool = False


@dataclass(frozen=True, slots=True)
class PolicyTestResult:
    """The verdict row of a case, and the reason why it is not as expected; None if it is."""

    case: PolicyTestCase
    row: Verdict
    reason: str | None

    @property
    def status(self) -> PolicyTestStatus:
        if self.reason is None:
            return "todo passed" if self.case.todo else "passed"
        return "todo" if self.case.todo else "failed"


@dataclass(frozen=True, slots=True)
class PolicyTestRun:
    """The results of all cases under one version of a taxonomy.

    `labels` are its categories, by id. `reads_descriptions` says whether the model reads more of them than names.
    """

    results: tuple[PolicyTestResult, ...]
    rule: DecisionRule
    labels: Mapping[str, str]
    reads_descriptions: bool = False

    def flag_rate(self) -> float | None:
        """The fraction of the labeled safe cases that are not called safe; None without such cases."""
        flagged, total = self.count_flagged()
        return flagged / total if total else None

    def count_flagged(self) -> tuple[int, int]:
        """Return how many of the labeled safe cases are not called safe, and how many labeled safe cases there are."""
        benign = [result for result in self.results if result.case.labeled and result.case.expect == "safe"]
        return sum(result.row.verdict != "safe" for result in benign), len(benign)

    def failed(self, *, labeled: bool) -> list[PolicyTestResult]:
        """The cases that failed; labeled ones only if `labeled`."""
        return [r for r in self.results if r.status == "failed" and (labeled or not r.case.labeled)]


def cases_from_taxonomy(taxonomy: Taxonomy) -> list[PolicyTestCase]:
    """The cases in the `tests` of a taxonomy."""
    cases = []
    for test in taxonomy.tests:
        messages = tuple(Message(message.role, message.content) for message in test.messages)
        location = f"{test.location.path}:{test.location.line}"
        cases.append(
            PolicyTestCase(
                name=test.name,
                location=location,
                conversation=Conversation(messages),
                expect=test.expect,
                categories=test.categories,
                todo=test.todo,
            )
        )
    return cases


@dataclass(frozen=True, slots=True)
class LabeledCases:
    """Cases from labeled records, and how many records were left out, by reason."""

    cases: tuple[PolicyTestCase, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)


def cases_from_records(records: Iterable[Record | Malformed], field_spec: FieldSpec | None = None) -> LabeledCases:
    """Make cases of the records that have a label.

    Raises:
        InputError: a record cannot be read, or its label is neither safe nor unsafe.
    """
    dataset = read_dataset(records, field_spec)
    for unreadable in dataset.unreadable:
        raise InputError(f"{unreadable.key.location}: {unreadable.reason}", code=unreadable.code)
    return LabeledCases(tuple(map(_case, dataset.samples)), dataset.left_out)


def _case(sample: Sample) -> PolicyTestCase:
    record = sample.record
    location = record.key.location
    if isinstance(record, Malformed):
        raise InputError(f"{location}: {record.reason}", code=record.code)
    expect: Literal["safe", "unsafe"] = "unsafe" if sample.unsafe else "safe"
    return PolicyTestCase(
        name=record.key.id or location,
        location=location,
        conversation=record.conversation,
        expect=expect,
        labeled=True,
    )


class PolicyTestSession:
    """Runs the tests of a taxonomy while it is being edited, on one model that stays loaded."""

    def __init__(self, open_guard: Callable[[Taxonomy], Guard]) -> None:
        """`open_guard` opens a guard of the model with a taxonomy; it must judge the last message, with `scores`."""
        self._open = open_guard
        self._guard: Guard | None = None
        self._rows: dict[Conversation, Verdict] = {}

    def run(self, taxonomy: Taxonomy, cases: Sequence[PolicyTestCase]) -> PolicyTestRun:
        """Run cases under a taxonomy. Only cases without a cached verdict are judged.

        Raises:
            GuardError: the taxonomy does not fit the model, or the model fails.
        """
        guard = self._guard_for(taxonomy)
        redecision = Redecision.from_taxonomy(
            taxonomy,
            threshold=guard.config.threshold,
            before=guard.taxonomy,
            calibration=guard.config.calibration,
        )
        fresh = list(dict.fromkeys(case.conversation for case in cases if case.conversation not in self._rows))
        records = (Record(Key(None, number), conversation) for number, conversation in enumerate(fresh, start=1))
        for conversation, verdict in zip(fresh, guard.judge(records), strict=True):
            self._rows[conversation] = verdict
        labels = taxonomy.labels
        rows = (redecision.apply(self._rows[case.conversation]) for case in cases)
        results = (
            PolicyTestResult(case, row, failure_reason(case, row, labels))
            for case, row in zip(cases, rows, strict=True)
        )
        return PolicyTestRun(tuple(results), redecision.rule, labels, taxonomy.detail == "full")

    def close(self) -> None:
        """Free the engine; the model stays."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def _guard_for(self, taxonomy: Taxonomy) -> Guard:
        """The guard for a taxonomy: a new one, without cached verdicts, if the model now reads another prompt."""
        before = self._guard
        same = before is not None and before.taxonomy.prompt_digest == taxonomy.prompt_digest
        if before is not None and same and before.per_category == before.asks_per_category(taxonomy):
            return before
        guard = self._open(taxonomy)  # if this fails, the one before stays
        self.close()
        self._guard = guard
        self._rows.clear()
        return guard


def failure_reason(case: PolicyTestCase, row: Verdict, labels: Mapping[str, str]) -> str | None:
    """The reason why a row is not as a case expects; None if it is. `labels` are those of category ids."""
    verdict, listed = row.verdict, row.categories
    if verdict == "error":
        return f"could not be judged: {row.error}"
    if verdict != case.expect:
        return f"expected {case.expect}, got {verdict}{_listed_categories(row)}"
    expected = [labels[id_] for id_ in case.categories]
    if listed is not None and (missing := [label for label in expected if label not in listed]):
        return f"lists {', '.join(listed)} and not {', '.join(missing)}"
    return None


def suggest_fixes(run: PolicyTestRun, result: PolicyTestResult) -> list[str]:
    """Suggest what would make a failed case pass: another threshold, with its effect on the other cases; or a
    description that separates two categories."""
    row, case = result.row, result.case
    if row.judged_score is None:
        return []
    if row.verdict == case.expect:
        return [_suggest_distinction(result, run)]
    return [
        _describe_threshold_change(run, result, changed_rule, words)
        for words, changed_rule in _threshold_changes(result, run)
    ] or ["no threshold makes it pass: change a description that the model reads, or add an example"]


def _listed_categories(row: Verdict) -> str:
    return f" ({', '.join(row.categories)})" if row.verdict == "unsafe" and row.categories else ""


def _threshold_changes(result: PolicyTestResult, run: PolicyTestRun) -> Iterator[tuple[str, DecisionRule]]:
    """Yield the thresholds that give the expected verdict: what to write for them, and the decision rule with them."""
    row, case, rule = result.row, result.case, run.rule
    scores = row.judged_category_scores
    if scores is None:
        threshold = None if row.judged_score is None else _nearest_threshold(row.judged_score, case.expect)
        if threshold is not None:
            yield f"threshold: {threshold:g} (now {rule.threshold:g})", replace(rule, threshold=threshold)
        return
    if case.expect == "safe":
        changed = {label: _nearest_threshold(scores[label], "safe") for label in row.categories or ()}
    else:
        expected = [label for id_ in case.categories if (label := run.labels[id_]) in scores]
        if case.categories and not expected:  # none of them was asked about
            return
        label = max(expected or scores, key=lambda label: scores[label] - rule.threshold_of(label))
        changed = {label: _nearest_threshold(scores[label], "unsafe")}
    thresholds = {label: threshold for label, threshold in changed.items() if threshold is not None}
    if len(thresholds) == len(changed):
        ids = {label: id_ for id_, label in run.labels.items()}
        words = ", ".join(
            f"{ids[label]} {threshold:g} (now {rule.threshold_of(label):g})" for label, threshold in thresholds.items()
        )
        yield f"threshold of {words}", replace(rule, thresholds={**rule.thresholds, **thresholds})


def _nearest_threshold(score: float, expect: str) -> float | None:
    """The nearest threshold of four decimals that gives a score the expected verdict; None if none in (0, 1] does."""
    steps = math.floor(score * 10_000) if expect == "unsafe" else math.floor(score * 10_000) + 1
    return steps / 10_000 if 0 < steps <= 10_000 else None


def _describe_threshold_change(
    run: PolicyTestRun, result: PolicyTestResult, changed_rule: DecisionRule, words: str
) -> str:
    """What to write, and how many other cases it would break or fix."""
    regressed, fixed, kept = [], 0, 0
    for other in run.results:
        passes = failure_reason(other.case, redecide(other.row, changed_rule), run.labels) is None
        if other.reason is None and not passes:
            regressed.append(other.case.name)
        fixed += other.reason is not None and passes and other is not result
        kept += other.case.expect != result.case.expect and other.reason is None and passes
    cost = f"breaks {len(regressed)} ({join_words(regressed, limit=_MAX_NAMED)})" if regressed else "breaks none"
    moved = _largely_changed(run, changed_rule)
    remark = _describe_risk(run, moved, result, kept) if moved and not fixed and kept < _MIN_EVIDENCE else ""
    return f"{words}: {cost}" + (f", fixes {fixed} more" if fixed else "") + remark


def _largely_changed(run: PolicyTestRun, changed: DecisionRule) -> list[str]:
    """The categories, by label, whose threshold moves far, as from 0.5 to 0.2 or to 0.8."""
    return [
        label
        for label in run.labels.values()
        if abs(_log_odds(changed.threshold_of(label)) - _log_odds(run.rule.threshold_of(label))) > _LARGE_CHANGE
    ]


def _log_odds(threshold: float) -> float:
    probability = min(max(threshold, _NEARLY_ZERO), 1 - _NEARLY_ZERO)
    return math.log(probability / (1 - probability))


def _describe_risk(run: PolicyTestRun, moved: Sequence[str], result: PolicyTestResult, kept: int) -> str:
    """Why one test is not enough to move the thresholds of categories that far."""
    is_whole = len(moved) == len(run.labels)
    where = f"all {len(moved)} categories" if is_whole else join_words(moved, limit=_MAX_NAMED)
    effect, opposite = ("flag more", "safe") if result.case.expect == "unsafe" else ("let more pass", "unsafe")
    return (
        f"; not advised: it would {effect} in {where} for this one test, and few tests that "
        f"expect {opposite} check that ({kept}): add labeled data, or change what the model reads"
    )


def _suggest_distinction(result: PolicyTestResult, run: PolicyTestRun) -> str:
    listed: Mapping[str, float] = result.row.listed_scores or result.row.category_scores or {}
    expected = [run.labels[id_] for id_ in result.case.categories]
    shares = ", ".join(f"{label} {listed.get(label, 0.0):.3f}" for label in expected)
    first = max(listed, key=lambda label: listed[label], default="-")
    advice = (
        "make their descriptions more distinct"
        if run.reads_descriptions
        else "make their names more distinct, as the model reads names only, or write `detail: full`"
    )
    return f"{first} was listed instead ({listed.get(first, 0.0):.3f}; {shares}): {advice}"
