"""The figures of one system over items, or over a part of them, each with its interval. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guardcli.evaluation.metrics import (
    SHARES,
    Calibration,
    Counts,
    Interval,
    Measure,
    NoFigure,
    Resamples,
    at_threshold,
    calibration,
    interval,
    over_thresholds,
)
from guardcli.evaluation.systems import Outcome


@dataclass(frozen=True, slots=True)
class Judged:
    """Labels, scores and verdicts (n,) of the items that count, and their `places` among all. `items` were asked for,
    of which `errors` have no verdict: those count as wrong (`strict`), or not at all."""

    places: tuple[int, ...]
    labels: tuple[bool, ...]
    scores: tuple[float, ...]
    flagged: tuple[bool, ...]
    items: int
    errors: int

    @classmethod
    def of(cls, labels: Sequence[bool], outcomes: Sequence[Outcome], places: Sequence[int], *, strict: bool) -> Judged:
        """Those at `places` that have a verdict; `strict`: and those that have none, with the worst that there is."""
        known = [score for at in places if (score := outcomes[at].score) is not None]
        low, high = beyond(known)
        found: list[tuple[int, bool, float, bool]] = []
        for at in places:
            score, unsafe = outcomes[at].score, outcomes[at].unsafe
            if score is not None and unsafe is not None:
                found.append((at, labels[at], score, unsafe))
            elif strict:
                found.append((at, labels[at], low if labels[at] else high, not labels[at]))
        return cls(
            tuple(one[0] for one in found), tuple(one[1] for one in found), tuple(one[2] for one in found),
            tuple(one[3] for one in found), len(places), len(places) - len(known),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """`counts` are at the threshold in force. A figure is None where it has no meaning, and `reason` says why there is
    none over thresholds."""

    items: int
    errors: int
    counts: Counts
    auprc: Interval | None
    auroc: Interval | None
    f1: Interval | None
    precision: Interval | None
    recall: Interval | None
    fpr: Interval | None
    calibration: Calibration | None
    reason: str | None


def beyond(scores: Sequence[float]) -> tuple[float, float]:
    """A score below all, and one above: what stands for no verdict where that counts as wrong."""
    return min(scores, default=0.0) - 1, max(scores, default=0.0) + 1


def figures(judged: Judged, resamples: Resamples) -> Figures:
    """All figures of what was judged."""
    counts = Counts.of(judged.labels, judged.flagged)
    shares = {}
    for name in SHARES:
        value = getattr(counts, name)
        spread = at_threshold(name, judged.labels, judged.flagged)
        shares[name] = None if value is None else interval(value, resamples.distribution(spread, judged.places))
    ranked: dict[Measure, Interval | None] = {"auprc": None, "auroc": None}
    reason = None
    for measure in ranked:
        try:
            ranked[measure] = ranking(measure, judged, resamples)
        except NoFigure as error:
            reason = str(error)
    return Figures(
        judged.items, judged.errors, counts, ranked["auprc"], ranked["auroc"], shares["f1"], shares["precision"],
        shares["recall"], shares["fpr"], _calibration(judged), reason,
    )  # fmt: skip


def ranking(measure: Measure, judged: Judged, resamples: Resamples) -> Interval | None:
    """AUPRC or AUROC with its interval. Raises NoFigure."""
    value, statistic = over_thresholds(measure, judged.labels, judged.scores)
    return interval(value, resamples.distribution(statistic, judged.places))


def _calibration(judged: Judged) -> Calibration | None:
    try:
        return calibration(judged.labels, judged.scores)
    except NoFigure:
        return None
