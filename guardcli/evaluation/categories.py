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

from guardcli.evaluation.outcomes import Outcome, System
from guardcli.labels import Crosswalk, Item
from guardcli.metrics import Floats, Interval, NoFigure, Resamples, interval, over_thresholds

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

    @classmethod
    def of(cls, items: Sequence[Item], system: System, crosswalks: Sequence[Crosswalk]) -> Natives:
        """Those of the items for one system. Of several maps, the one that is made for its policy counts, else the
        first that is made for any. Raises InputError: a map and the policy's own names say different things."""
        fitting = [one for one in crosswalks if one.policy in (system.policy, None)]
        crosswalk = max(fitting, key=lambda one: one.policy is not None, default=Crosswalk())
        by_label: dict[tuple[str, str], set[str]] = {}
        found: dict[tuple[str, str], str | None] = {}
        unknown: Counter[str] = Counter()
        for item in items:
            for native, on in item.truth.flags.items():
                key = item.group, native
                if key not in found:
                    found[key] = crosswalk.label(native, item.group, system.categories)
                label = found[key]
                if label is not None:
                    by_label.setdefault((item.group, label), set()).add(native)
                elif on and item.unsafe:
                    unknown[native] += 1
        return cls({key: frozenset(names) for key, names in by_label.items()}, unknown)

    def holds(self, item: Item, label: str) -> bool | None:
        """Whether an item is of a category; None where that is not annotated, or its set has no such category."""
        names = self.by_label.get((item.group, label))
        return None if names is None else item.truth.holds(names)


class _Pair(NamedTuple):
    """An item against one category: its place, whether it is of it, whether it is benign, and its score."""

    place: int
    holds: bool
    benign: bool
    score: float


def by_category(
    items: Sequence[Item], system: System, natives: Natives, resamples: Resamples
) -> tuple[tuple[CategoryFigures, ...], Means | None]:
    """The figures of each category that an item is of, and their means; none where the system scores no categories."""
    found: list[CategoryFigures] = []
    ways: tuple[list[list[_Pair]], list[list[_Pair]]] = ([], [])
    for label in system.categories.labels:
        pairs = _pairs(items, system.outcomes, natives, label)
        own = [pair.place for pair in pairs if pair.holds]
        if not own:
            continue
        ways[0].append(pairs)
        ways[1].append([pair for pair in pairs if pair.holds or pair.benign])
        listed = sum(label in system.outcomes[at].listed for at in own) / len(own)
        found.append(CategoryFigures(label, len(own), None, None, listed))
    if not found:
        return (), None
    all_of = [[_auprc(pairs, resamples) for pairs in way] for way in ways]
    figures = [
        replace(one, one_vs_all=_interval(all_of[0][at]), one_vs_benign=_interval(all_of[1][at]))
        for at, one in enumerate(found)
    ]
    macro = [_macro(way) for way in all_of]
    micro = [_interval(_auprc([pair for pairs in way for pair in pairs], resamples)) for way in ways]
    return tuple(figures), Means(macro[0], macro[1], micro[0], micro[1])


def _pairs(items: Sequence[Item], outcomes: Sequence[Outcome], natives: Natives, label: str) -> list[_Pair]:
    pairs = []
    for at, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
        score = (outcome.categories or {}).get(label)
        holds = natives.holds(item, label)
        if score is not None and holds is not None:
            pairs.append(_Pair(at, holds, not item.unsafe, score))
    return pairs


def _auprc(pairs: Sequence[_Pair], resamples: Resamples) -> _Figure | None:
    """None where there is one class only."""
    try:
        value, statistic = over_thresholds("auprc", [pair.holds for pair in pairs], [pair.score for pair in pairs])
    except NoFigure:
        return None
    return value, resamples.distribution(statistic, [pair.place for pair in pairs])


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
