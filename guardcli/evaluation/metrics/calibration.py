"""Whether a score of 0.8 means unsafe four times in five: the reliability diagram, and one number for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guardcli.evaluation.metrics.arrays import Labels, NoFigure, Scores, arrays

BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """The items whose scores lie between `low` and `high`: their mean score, and the share that is unsafe."""

    low: float
    high: float
    count: int
    score: float
    unsafe: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`error` is the expected calibration error: the mean distance of score and share, weighted by the bins' counts
    (Naeini et al., 2015). `brier` is the mean squared distance of score and label. Only bins with items are listed."""

    error: float
    brier: float
    bins: tuple[Bin, ...]


def calibration(labels: Labels, scores: Scores, *, bins: int = BINS) -> Calibration:
    """Over `bins` of equal width. Raises NoFigure: there are no items, or scores are not all in [0, 1]."""
    truth, values = arrays(labels, scores)
    if values.min() < 0 or values.max() > 1:
        raise NoFigure("the scores are no probabilities")
    place = np.minimum((values * bins).astype(np.intp), bins - 1)
    counts = np.bincount(place, minlength=bins)
    means = np.bincount(place, weights=values, minlength=bins) / np.maximum(counts, 1)
    shares = np.bincount(place, weights=truth, minlength=bins) / np.maximum(counts, 1)
    error = float((counts * np.abs(means - shares)).sum() / len(values))
    found = tuple(
        Bin(float(at / bins), float((at + 1) / bins), int(counts[at]), float(means[at]), float(shares[at]))
        for at in np.flatnonzero(counts)
    )
    return Calibration(error, float(np.mean((values - truth) ** 2)), found)
