"""Whether a model reads the policy that it is given: what happens to verdicts when categories are taken out of it.

The third experiment of the paper (arXiv 2312.06674), for any model. Items that are flagged under the whole policy are
judged again without their own categories (they should turn safe), without one other (they should stay), with half of
the others dropped, and with the rest shuffled. No id is renumbered: the model reads and writes the same codes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from guardcli.evaluation.categories import Natives
from guardcli.evaluation.datasets import CategoryIndex, Sample
from guardcli.evaluation.systems import System, of_rows
from guardcli.judging.reader import VerdictRow
from guardcli.taxonomy import Taxonomy

Change = Literal["own removed", "another removed", "half dropped and shuffled", "shuffled"]
CHANGES: tuple[Change, ...] = ("own removed", "another removed", "half dropped and shuffled", "shuffled")

Judge = Callable[[Taxonomy, Sequence[Sample]], Iterable[VerdictRow]]


@dataclass(frozen=True, slots=True)
class Following:
    """Of `items` that were flagged under the whole policy, so many still are under a changed one; `errors` have no
    verdict there. Only "own removed" should be low."""

    change: Change
    items: int
    stayed: int
    errors: int

    @property
    def share(self) -> float | None:
        """The share that stayed unsafe, of those with a verdict."""
        judged = self.items - self.errors
        return self.stayed / judged if judged else None


def follow(
    items: Sequence[Sample], system: System, natives: Natives, taxonomy: Taxonomy, judge: Judge, *, seed: int = 0
) -> list[Following]:
    """Judge the flagged items again under changed policies. `judge` gives the rows of items under a taxonomy.

    Items that no category of the policy holds for are left out, and so are those for which all do.
    """
    draw = random.Random(seed)
    groups: dict[tuple[str, ...], list[Sample]] = {}
    for item, outcome in zip(items, system.outcomes, strict=True):
        own = tuple(label for label in system.categories.labels if natives.holds(item, label))
        if item.unsafe and outcome.unsafe and own and len(own) < len(taxonomy.categories):
            groups.setdefault(own, []).append(item)
    totals = {change: [0, 0, 0] for change in CHANGES}
    for own, members in groups.items():
        for change in CHANGES:
            rows = judge(changed(taxonomy, own, change, draw), members)
            outcomes = of_rows(change, members, rows, known=CategoryIndex.from_taxonomy(taxonomy)).outcomes
            total = totals[change]
            total[0] += len(outcomes)
            total[1] += sum(bool(outcome.unsafe) for outcome in outcomes)
            total[2] += sum(outcome.score is None for outcome in outcomes)
    return [Following(change, *total) for change, total in totals.items()]


def changed(taxonomy: Taxonomy, own: Sequence[str], change: Change, draw: random.Random) -> Taxonomy:
    """The policy as one change makes it, for items whose categories are labelled `own`."""
    others = [category for category in taxonomy.categories if category.label not in own]
    if change == "own removed":
        return replace(taxonomy, categories=tuple(others))
    kept = list(taxonomy.categories)
    if change == "another removed":
        kept.remove(draw.choice(others))
        return replace(taxonomy, categories=tuple(kept))
    if change == "half dropped and shuffled":
        dropped = draw.sample(others, (len(others) + 1) // 2)
        kept = [category for category in kept if category not in dropped]
    draw.shuffle(kept)
    return replace(taxonomy, categories=tuple(kept))
