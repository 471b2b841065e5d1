"""Whether a guard reads its policy: what its verdicts do when the policy changes.

Probe policies are asked about held-out unsafe records that the guard flags with the right category under the whole
list. Unseen policies have cases of their own, and are asked again with `unsafe` and `safe` exchanged in what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from guardcli import Conversation, Taxonomy, Verdict
from guardcli.evaluation import Prediction, ProbedRecord, plan_probes, prediction_from_rows, run_probes
from guardcli.evaluation.policy_tests import PolicyTestCase, cases_from_taxonomy
from guardcli.evaluation.probe_policies import exchange_labels
from recipes.smol.records import Record

Judge = Callable[[Taxonomy, Sequence[Conversation]], list[Verdict]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Of `items` verdicts, how many did what a reader of the policy would do. `errors` did nothing."""

    items: int = 0
    right: int = 0
    errors: int = 0

    @property
    def share(self) -> float | None:
        return self.right / self.items if self.items else None

    def plus(self, verdicts: Sequence[Verdict], right: Sequence[bool]) -> Reading:
        """Count more verdicts."""
        errors = sum(verdict.verdict == "error" for verdict in verdicts)
        return Reading(self.items + len(verdicts), self.right + sum(right), self.errors + errors)

    def __add__(self, other: Reading) -> Reading:
        return Reading(self.items + other.items, self.right + other.right, self.errors + other.errors)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"share": self.share}


def read_changes(
    records: Sequence[Record], verdicts: Sequence[Verdict], taxonomy: Taxonomy, judge: Judge, *, seed: int = 0
) -> dict[str, Reading]:
    """What becomes of the rightly flagged records under each probe policy that says something about the guard.

    `verdicts` are those of `records` under the whole policy.
    """
    probed = [
        ProbedRecord(record.conversation, record.conversation.messages[-1].content, record.hazards)
        for record, verdict in zip(records, verdicts, strict=True)
        if record.unsafe and record.certain and verdict.flagged and _lists_one(record, verdict)
    ]

    def predict(policy: Taxonomy, conversations: Sequence[Conversation]) -> list[Prediction]:
        return [prediction_from_rows([verdict]) for verdict in judge(policy, conversations)]

    steerability = run_probes(plan_probes(probed, taxonomy, seed=seed), predict)
    return {
        result.probe: Reading(result.num_records, result.num_right, result.num_errors)
        for result in steerability.results
        if result.inapplicable is None
    }


def _lists_one(record: Record, verdict: Verdict) -> bool:
    return not set(record.hazards).isdisjoint(verdict.categories or ())


@dataclass(frozen=True, slots=True)
class UnseenPolicy:
    """The verdicts on the cases of a policy: rightly called, and, of those, turned when the policy says the opposite.

    `listed` counts the violating cases whose category is among those listed. Those of several policies can be added.
    """

    name: str
    right: Reading
    listed: Reading
    turned: Reading

    def __add__(self, other: UnseenPolicy) -> UnseenPolicy:
        return UnseenPolicy(self.name, self.right + other.right, self.listed + other.listed, self.turned + other.turned)

    def to_json(self) -> dict[str, Any]:
        readings = {"right": self.right, "listed": self.listed, "turned": self.turned}
        return {"name": self.name} | {name: reading.to_json() for name, reading in readings.items()}


def read_unseen(policy: Taxonomy, judge: Judge) -> UnseenPolicy:
    """Judge the cases of a policy, and those rightly called once more under the exchanged policy."""
    cases = cases_from_taxonomy(policy)
    verdicts = judge(policy, [case.conversation for case in cases])
    right = [verdict.verdict == case.expect for case, verdict in zip(cases, verdicts, strict=True)]
    violating = [(c, v) for c, v in zip(cases, verdicts, strict=True) if c.expect == "unsafe"]
    listed = Reading().plus([verdict for _, verdict in violating], [_lists(*pair) for pair in violating])
    again = [case for case, is_right in zip(cases, right, strict=True) if is_right]
    turned = Reading()
    if again:
        found = judge(exchanged(policy), [case.conversation for case in again])
        opposite = {"safe": "unsafe", "unsafe": "safe"}
        turned = turned.plus(found, [v.verdict == opposite[case.expect] for case, v in zip(again, found, strict=True)])
    return UnseenPolicy(policy.name, Reading().plus(verdicts, right), listed, turned)


def _lists(case: PolicyTestCase, verdict: Verdict) -> bool:
    return verdict.flagged and set(case.categories) <= set(verdict.categories or ())


def exchanged(policy: Taxonomy) -> Taxonomy:
    """The policy with `unsafe` and `safe` exchanged in every description."""
    categories = tuple(
        replace(category, description=None if category.description is None else exchange_labels(category.description))
        for category in policy.categories
    )
    return replace(policy, categories=categories)
