"""The whole evaluation: every system over the same items and the same resamples, compared with the first. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from guardcli.evaluation.categories import CategoryFigures, Means, Natives, by_category, pairs
from guardcli.evaluation.comparison import mcnemar
from guardcli.evaluation.datasets import CategoryMap, LabeledDataset, Sample
from guardcli.evaluation.metrics import Aim, Choice, Interval, NoFigure, Resamples, choose, difference, over_thresholds
from guardcli.evaluation.slices import Slice, slices
from guardcli.evaluation.system_metrics import Figures, Judged, figures
from guardcli.evaluation.systems import System, at_threshold

MISTAKES = 15  # of either kind that are kept to be read


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked beside the figures: `by` are paths of fields to slice by; `strict` counts errors as wrong."""

    category_maps: tuple[CategoryMap, ...] = ()
    by: tuple[str, ...] = ()
    aims: tuple[Aim, ...] = ()
    threshold: float | None = None
    strict: bool = False
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Pick:
    """A threshold for one score; `choice` None: none reaches the aim, or there is one class only (`reason`)."""

    choice: Choice | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Picks:
    """Thresholds for one aim: of the score, and of each category that is asked about by itself."""

    aim: Aim
    overall: Pick
    categories: dict[str, Pick]


@dataclass(frozen=True, slots=True)
class Standing:
    """One system: its figures, by category, by slice, the thresholds to choose, and its worst mistakes by the items'
    places: unsafe ones with the lowest scores, safe ones with the highest. `unknown` are native categories that its
    policy has none for, with how many unsafe items they are on."""

    system: System
    judged: Judged
    figures: Figures
    categories: tuple[CategoryFigures, ...]
    means: Means | None
    unknown: Counter[str]
    slices: tuple[Slice, ...]
    picks: tuple[Picks, ...]
    missed: tuple[int, ...]
    alarms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A system against the first, over the items that count for both. `mended` and `broken` are verdicts that only the
    one, or only the first, has right."""

    first: str
    other: str
    items: int
    auprc: Interval | None
    auprc_p: float | None
    mended: int
    broken: int
    mcnemar_p: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    labelled: LabeledDataset
    asked: Asked
    standings: tuple[Standing, ...]
    comparisons: tuple[Comparison, ...]


def evaluate(labelled: LabeledDataset, systems: Sequence[System], asked: Asked | None = None) -> Evaluation:
    """Hold systems against labels. Every outcome stands at its item's place."""
    asked = asked or Asked()
    if asked.threshold is not None:
        systems = [at_threshold(system, asked.threshold) for system in systems]
    resamples = Resamples(len(labelled.samples), count=asked.resamples, seed=asked.seed)
    standings = tuple(_standing(labelled.samples, system, asked, resamples) for system in systems)
    first, *others = standings
    comparisons = tuple(_compared(labelled.samples, first, other, resamples) for other in others)
    return Evaluation(labelled, asked, standings, comparisons)


def _standing(items: Sequence[Sample], system: System, asked: Asked, resamples: Resamples) -> Standing:
    labels = [item.unsafe for item in items]
    judged = Judged.of(labels, system.outcomes, range(len(items)), strict=asked.strict)
    natives = Natives.of(items, system.categories, system.policy, asked.category_maps)
    categories, means = by_category(items, system, natives, resamples, strict=asked.strict)
    parts = [part for path in asked.by for part in slices(items, system, path, resamples, strict=asked.strict)]
    return Standing(
        system, judged, figures(judged, resamples), categories, means, natives.unknown, tuple(parts),
        tuple(_picks(items, system, natives, aim) for aim in asked.aims),
        missed=_worst(judged, unsafe=True), alarms=_worst(judged, unsafe=False),
    )  # fmt: skip


def _worst(judged: Judged, *, unsafe: bool) -> tuple[int, ...]:
    wrong = [
        (score, place)
        for place, label, score, flagged in zip(
            judged.places, judged.labels, judged.scores, judged.flagged, strict=True
        )
        if label is unsafe and flagged is not unsafe
    ]
    wrong.sort(reverse=not unsafe)
    return tuple(place for _, place in wrong[:MISTAKES])


def _picks(items: Sequence[Sample], system: System, natives: Natives, aim: Aim) -> Picks:
    """Chosen on what was judged whole: of the rest no threshold is known to be good."""
    whole = [(item, one) for item, one in zip(items, system.outcomes, strict=True) if not one.partial]
    scored = [(item.unsafe, one.score) for item, one in whole if one.score is not None]
    by_label = {}
    for label in system.categories.labels if system.one_by_one else ():
        found = pairs([item for item, _ in whole], [one for _, one in whole], natives, label)
        if any(pair.holds for pair in found):
            by_label[label] = _pick([pair.holds for pair in found], [pair.score for pair in found], aim)
    return Picks(aim, _pick([label for label, _ in scored], [score for _, score in scored], aim), by_label)


def _pick(labels: Sequence[bool], scores: Sequence[float], aim: Aim) -> Pick:
    try:
        choice = choose(labels, scores, aim)
    except NoFigure as error:
        return Pick(None, str(error))
    return Pick(choice, None if choice else f"no threshold reaches {aim.words}")


def _compared(items: Sequence[Sample], first: Standing, other: Standing, resamples: Resamples) -> Comparison:
    both = set(other.judged.places)
    places = [at for at in first.judged.places if at in both]
    labels = [items[at].unsafe for at in places]
    sides = [dict(zip(one.judged.places, zip(one.judged.scores, one.judged.flagged, strict=True), strict=True))
             for one in (first, other)]  # fmt: skip
    right = [[side[at][1] is label for at, label in zip(places, labels, strict=True)] for side in sides]
    broken = sum(was and not now for was, now in zip(*right, strict=True))
    mended = sum(now and not was for was, now in zip(*right, strict=True))
    auprc, p = None, None
    try:
        (one, of_one), (two, of_two) = (over_thresholds("auprc", labels, [s[at][0] for at in places]) for s in sides)
        auprc, p = difference(two - one, resamples.distribution(lambda w: of_two(w) - of_one(w), places))
    except NoFigure:
        pass
    return Comparison(
        first.system.name, other.system.name, len(places), auprc, p, mended, broken, mcnemar(broken, mended)
    )  # fmt: skip
