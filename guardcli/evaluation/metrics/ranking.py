"""Metrics over all thresholds: AUPRC, AUROC, and the precision-recall curve.

They take a weight for each sample, so that a bootstrap of a thousand resamples is one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardcli.evaluation.metrics.arrays import Floats, Labels, RankedScores, Scores


@dataclass(frozen=True, slots=True)
class PrecisionRecallCurve:
    """A point for each distinct score, the highest first: the result of calling everything from it up unsafe.

    All are arrays (g,). The point before the first one, nothing called unsafe, has recall 0 and no precision.
    """

    thresholds: Floats
    precision: Floats
    recall: Floats


def average_precision(labels: Labels, scores: Scores) -> float:
    """AUPRC as average precision: the sum of (R[n] - R[n-1]) P[n] over distinct scores, without interpolation.

    The same as scikit-learn's `average_precision_score`. Raises UndefinedMetric.
    """
    ranked = RankedScores.from_scores(labels, scores)
    return float(average_precisions(ranked, np.ones((1, len(ranked.order))))[0])


def auroc(labels: Labels, scores: Scores) -> float:
    """The probability that an unsafe sample scores higher than a safe one, ties counting half.

    Raises UndefinedMetric.
    """
    ranked = RankedScores.from_scores(labels, scores)
    return float(aurocs(ranked, np.ones((1, len(ranked.order))))[0])


def precision_recall_curve(labels: Labels, scores: Scores) -> PrecisionRecallCurve:
    """The precision-recall curve. Raises UndefinedMetric."""
    ranked = RankedScores.from_scores(labels, scores)
    positive, total = _weights_by_score(ranked, np.ones((1, len(ranked.order))))
    tp, flagged = np.cumsum(positive[0]), np.cumsum(total[0])
    return PrecisionRecallCurve(ranked.scores[ranked.starts], tp / flagged, tp / tp[-1])


def average_precisions(ranked: RankedScores, weights: NDArray[np.float64]) -> Floats:
    """AUPRC (b,) under each row of `weights` (b, n): how often each sample counts, in the order they were given.

    NaN for a row in which no unsafe sample counts.
    """
    positive, total = _weights_by_score(ranked, weights)
    tp, flagged = np.cumsum(positive, axis=1), np.cumsum(total, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(flagged > 0, tp / np.maximum(flagged, 1e-300), 0.0)
        result: Floats = (positive * precision).sum(axis=1) / tp[:, -1]
    return result


def aurocs(ranked: RankedScores, weights: NDArray[np.float64]) -> Floats:
    """AUROC (b,) under each row of `weights` (b, n). NaN for a row in which one class does not count."""
    positive, total = _weights_by_score(ranked, weights)
    negative = total - positive
    above = np.cumsum(positive, axis=1) - positive / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = (negative * above).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))
    return result


def _weights_by_score(ranked: RankedScores, weights: NDArray[np.float64]) -> tuple[Floats, Floats]:
    """The weight of the unsafe samples, and of all, for each distinct score: (b, g) both."""
    ordered = weights[:, ranked.order]
    positive = ordered * ranked.labels
    if len(ranked.starts) == len(ranked.order):
        return positive, ordered
    return np.add.reduceat(positive, ranked.starts, axis=1), np.add.reduceat(ordered, ranked.starts, axis=1)
