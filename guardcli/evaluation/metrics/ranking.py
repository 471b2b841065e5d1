"""How well scores put the unsafe above the safe, over all thresholds: AUPRC, AUROC, and the curve behind them.

Weighted by row, so that a bootstrap of a thousand resamples is one call. It knows no threshold in force.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardcli.evaluation.metrics.arrays import Floats, Labels, Ranked, Scores


@dataclass(frozen=True, slots=True)
class Curve:
    """A point for each distinct score from the highest on: what calling everything from it on unsafe would give.

    All are arrays (g,). The point before the first one, nothing called unsafe, has recall 0 and no precision.
    """

    thresholds: Floats
    precision: Floats
    recall: Floats


def average_precision(labels: Labels, scores: Scores) -> float:
    """AUPRC as average precision: the sum of (R[n] - R[n-1]) P[n] over distinct scores, without interpolation.

    The definition of scikit-learn's `average_precision_score`. Raises NoFigure.
    """
    ranked = Ranked.of(labels, scores)
    return float(average_precisions(ranked, np.ones((1, len(ranked.order))))[0])


def auroc(labels: Labels, scores: Scores) -> float:
    """The probability that an unsafe item scores higher than a safe one, ties counting half. Raises NoFigure."""
    ranked = Ranked.of(labels, scores)
    return float(aurocs(ranked, np.ones((1, len(ranked.order))))[0])


def precision_recall(labels: Labels, scores: Scores) -> Curve:
    """The precision-recall curve. Raises NoFigure."""
    ranked = Ranked.of(labels, scores)
    positive, total = _by_group(ranked, np.ones((1, len(ranked.order))))
    found, called = np.cumsum(positive[0]), np.cumsum(total[0])
    return Curve(ranked.scores[ranked.starts], found / called, found / found[-1])


def average_precisions(ranked: Ranked, weights: NDArray[np.float64]) -> Floats:
    """AUPRC (b,) under each row of `weights` (b, n), how often each item counts, in the order that items were given.

    NaN for a row in which no unsafe item counts.
    """
    positive, total = _by_group(ranked, weights)
    found, called = np.cumsum(positive, axis=1), np.cumsum(total, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(called > 0, found / np.maximum(called, 1e-300), 0.0)
        result: Floats = (positive * precision).sum(axis=1) / found[:, -1]
    return result


def aurocs(ranked: Ranked, weights: NDArray[np.float64]) -> Floats:
    """AUROC (b,) under each row of `weights` (b, n). NaN for a row in which one class does not count."""
    positive, total = _by_group(ranked, weights)
    negative = total - positive
    above = np.cumsum(positive, axis=1) - positive / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = (negative * above).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))
    return result


def _by_group(ranked: Ranked, weights: NDArray[np.float64]) -> tuple[Floats, Floats]:
    """The weight of unsafe items, and of all, in each group of equal scores: (b, g) both."""
    ordered = weights[:, ranked.order]
    if len(ranked.starts) == len(ranked.order):
        return ordered * ranked.labels, ordered
    return np.add.reduceat(ordered * ranked.labels, ranked.starts, axis=1), np.add.reduceat(
        ordered, ranked.starts, axis=1
    )
