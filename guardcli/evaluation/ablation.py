"""Policy ablation: whether a model reads its policy, shown by the verdicts when categories are taken out of it.

The third experiment of the Llama Guard paper (arXiv 2312.06674), for any model. Unsafe samples that are flagged under
the whole policy are judged again under four changed policies:

    policy          S1 S2 S3 S4   the sample is labeled S2
    own removed     S1    S3 S4   its own categories are gone: it should turn safe
    another removed S1 S2    S4   it should stay unsafe
    half dropped    S4 S2         half of the others dropped, the rest shuffled: it should stay unsafe
    shuffled        S3 S1 S4 S2   it should stay unsafe

No id is renumbered: the model reads and writes the same ids.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from guardcli.evaluation.categories import NativeCategories
from guardcli.evaluation.datasets import CategoryIndex, Sample
from guardcli.evaluation.systems import System, system_from_rows
from guardcli.judging.verdict import Verdict
from guardcli.taxonomy import Taxonomy

PolicyChange = Literal["own removed", "another removed", "half dropped and shuffled", "shuffled"]
POLICY_CHANGES: tuple[PolicyChange, ...] = ("own removed", "another removed", "half dropped and shuffled", "shuffled")

JudgeSamples = Callable[[Taxonomy, Sequence[Sample]], Iterable[Verdict]]


@dataclass(frozen=True, slots=True)
class AblationResult:
    """How many of the `items` that were flagged under the whole policy stayed unsafe under a changed one.

    `errors` have no verdict there. Only "own removed" should have a low share.
    """

    change: PolicyChange
    items: int
    stayed: int
    errors: int

    @property
    def share(self) -> float | None:
        """The fraction that stayed unsafe, of those with a verdict."""
        judged = self.items - self.errors
        return self.stayed / judged if judged else None


def policy_ablation(
    samples: Sequence[Sample],
    system: System,
    native_categories: NativeCategories,
    taxonomy: Taxonomy,
    judge: JudgeSamples,
    *,
    seed: int = 0,
) -> list[AblationResult]:
    """Judge the flagged samples again under changed policies. `judge` returns the rows of samples under a taxonomy.

    Samples to which no category of the policy applies are left out, and so are those to which all of them do.
    """
    rng = random.Random(seed)
    groups: dict[tuple[str, ...], list[Sample]] = {}
    for sample, prediction in zip(samples, system.predictions, strict=True):
        own = tuple(label for label in system.categories.labels if native_categories.applies(sample, label))
        if sample.unsafe and prediction.unsafe and own and len(own) < len(taxonomy.categories):
            groups.setdefault(own, []).append(sample)
    results = {change: AblationResult(change, items=0, stayed=0, errors=0) for change in POLICY_CHANGES}
    for own, members in groups.items():
        for change in POLICY_CHANGES:
            rows = judge(change_policy(taxonomy, own, change, rng), members)
            categories = CategoryIndex.from_taxonomy(taxonomy)
            predictions = system_from_rows(change, members, rows, categories=categories).predictions
            result = results[change]
            results[change] = replace(
                result,
                items=result.items + len(members),
                stayed=result.stayed + sum(bool(prediction.unsafe) for prediction in predictions),
                errors=result.errors + sum(prediction.score is None for prediction in predictions),
            )
    return list(results.values())


def change_policy(taxonomy: Taxonomy, own: Sequence[str], change: PolicyChange, rng: random.Random) -> Taxonomy:
    """The policy with a change, for samples whose categories are labeled `own`."""
    others = [category for category in taxonomy.categories if category.label not in own]
    if change == "own removed":
        return replace(taxonomy, categories=tuple(others))
    categories = list(taxonomy.categories)
    if change == "another removed":
        categories.remove(rng.choice(others))
        return replace(taxonomy, categories=tuple(categories))
    if change == "half dropped and shuffled":
        dropped = rng.sample(others, (len(others) + 1) // 2)
        categories = [category for category in categories if category not in dropped]
    rng.shuffle(categories)
    return replace(taxonomy, categories=tuple(categories))
