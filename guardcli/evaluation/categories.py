"""Category by category, in the paper's ways: one against all, and one against the benign (arXiv 2312.06674, 4.2). Pure.

The first ranks the items of a category above all others, other violations included; the second above the benign alone,
which is fair to systems whose categories are cut otherwise.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from guardcli.evaluation.datasets import CategoryIndex, CategoryMap, Sample
from guardcli.evaluation.metrics import Floats, Interval, NoFigure, Resamples, interval, over_thresholds
from guardcli.evaluation.system_metrics import beyond
from guardcli.evaluation.systems import Outcome, System

_Figure: TypeAlias = "tuple[float, Floats]"  # with its distribution


@dataclass(frozen=True, slots=True)
class CategoryFigures:
    """`positives` are items that are of the category, `listed` the share of them for which the system listed it."""

    label: str
    positives: int
    one_vs_all: Interval | None
    one_vs_benign: Interval | None
    listed: float | None


@dataclass(frozen=True, slots=True)
class Means:
    """Over categories: macro is the mean of their AUPRCs, micro that of all pairs of item and category together."""

    macro_one_vs_all: Interval | None
    macro_one_vs_benign: Interval | None
    micro_one_vs_all: Interval | None
    micro_one_vs_benign: Interval | None


@dataclass(frozen=True, slots=True)
class Natives:
    """The native categories of a data set, by what a policy calls them, for each group of items; and those that it has
    no category for, with how many unsafe items they are on."""

    by_label: Mapping[tuple[str, str], frozenset[str]]
    unknown: Counter[str]
    category_map: CategoryMap

    @classmethod
    def of(
        cls,
        items: Sequence[Sample],
        categories: CategoryIndex,
        policy: str | None,
        category_maps: Sequence[CategoryMap],
    ) -> Natives:
        """Those of the items for the categories of a policy. Of several maps the one that is made for it counts, else
        the first that is made for any. Raises InputError: a map and the policy's own names say different things."""
        fitting = [one for one in category_maps if one.policy in (policy, None)]
        category_map = max(fitting, key=lambda one: one.policy is not None, default=CategoryMap())
        by_label: dict[tuple[str, str], set[str]] = {}
        found: dict[tuple[str, str], str | None] = {}
        unknown: Counter[str] = Counter()
        for item in items:
            for native, on in item.ground_truth.annotations.items():
                key = category_map.dataset_key(item.dataset_names), native
                if key not in found:
                    found[key] = category_map.label(native, key[0], categories)
                label = found[key]
                if label is not None:
                    by_label.setdefault((key[0], label), set()).add(native)
                elif on and item.unsafe:
                    unknown[native] += 1
        return cls({key: frozenset(names) for key, names in by_label.items()}, unknown, category_map)

    def holds(self, item: Sample, label: str) -> bool | None:
        """Whether an item is of a category; None where that is not annotated. A harmless item of a set that does not
        have the category is not of it, and of a harmful one nobody knows."""
        names = self.by_label.get((self.category_map.dataset_key(item.dataset_names), label))
        if names is None:
            return False if item.ground_truth.exhaustive and not item.unsafe else None
        return item.ground_truth.applies(names)


class Pair(NamedTuple):
    """An item against one category: its place, whether it is of it, whether it is benign, and its score."""

    place: int
    holds: bool
    benign: bool
    score: float


def by_category(
    items: Sequence[Sample], system: System, natives: Natives, resamples: Resamples, *, strict: bool
) -> tuple[tuple[CategoryFigures, ...], Means | None]:
    """The figures of each category that an item is of, and their means; none where the system scores no categories.
    What has no verdict counts as wrong (`strict`), or not at all."""
    found: list[CategoryFigures] = []
    wrong = _wrong(system) if strict else None
    ways: tuple[list[list[Pair]], list[list[Pair]]] = ([], [])
    for label in system.categories.labels:
        against = pairs(items, system.outcomes, natives, label, wrong)
        own = [pair.place for pair in against if pair.holds]
        if not own:
            continue
        ways[0].append(against)
        ways[1].append([pair for pair in against if pair.holds or pair.benign])
        listed = sum(label in system.outcomes[at].listed for at in own) / len(own)
        found.append(CategoryFigures(label, len(own), None, None, listed))
    if not found:
        return (), None
    all_of = [[_auprc(against, resamples) for against in way] for way in ways]
    figures = [
        replace(one, one_vs_all=_interval(all_of[0][at]), one_vs_benign=_interval(all_of[1][at]))
        for at, one in enumerate(found)
    ]
    macro = [_macro(way) for way in all_of]
    micro = [_interval(_auprc([pair for against in way for pair in against], resamples)) for way in ways]
    return tuple(figures), Means(macro[0], macro[1], micro[0], micro[1])


def _wrong(system: System) -> tuple[float, float] | None:
    """What stands for no verdict: scores below and above those of all categories; None where it scores none."""
    scored = [score for outcome in system.outcomes for score in (outcome.categories or {}).values()]
    return beyond(scored) if scored else None


def pairs(
    items: Sequence[Sample], outcomes: Sequence[Outcome], natives: Natives, label: str,
    wrong: tuple[float, float] | None = None,
) -> list[Pair]:  # fmt: skip
    """The items of which it is known whether they are of a category, and that have a score for it; with `wrong`, the
    scores that stand for no verdict on an unsafe item and on a safe one, also those without a verdict."""
    found = []
    for at, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
        score = (outcome.categories or {}).get(label)
        if wrong is not None and outcome.score is None:
            score = wrong[0] if item.unsafe else wrong[1]
        holds = natives.holds(item, label)
        if score is not None and holds is not None:
            found.append(Pair(at, holds, not item.unsafe, score))
    return found


def _auprc(against: Sequence[Pair], resamples: Resamples) -> _Figure | None:
    """None where there is one class only."""
    try:
        value, statistic = over_thresholds("auprc", [pair.holds for pair in against], [pair.score for pair in against])
    except NoFigure:
        return None
    return value, resamples.distribution(statistic, [pair.place for pair in against])


def _interval(figure: _Figure | None) -> Interval | None:
    return None if figure is None else interval(*figure)


def _macro(figures: Sequence[_Figure | None]) -> Interval | None:
    known = [figure for figure in figures if figure is not None]
    if not known:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample without an item of any category
        spread: Floats = np.nanmean([spread for _, spread in known], axis=0)
    return interval(sum(value for value, _ in known) / len(known), spread)
