"""Metrics as functions of sample weights, as a bootstrap needs them: over all thresholds, and at one."""

from __future__ import annotations

from typing import Literal

import numpy as np

from guardcli.evaluation.metrics.arrays import Floats, Labels, RankedScores, Scores
from guardcli.evaluation.metrics.bootstrap import Statistic
from guardcli.evaluation.metrics.ranking import aurocs, average_precisions

RankingMetric = Literal["auprc", "auroc"]
ThresholdMetric = Literal["f1", "precision", "recall", "fpr"]
THRESHOLD_METRICS: tuple[ThresholdMetric, ...] = ("f1", "precision", "recall", "fpr")

_RANKING = {"auprc": average_precisions, "auroc": aurocs}


def ranking_statistic(name: RankingMetric, labels: Labels, scores: Scores) -> tuple[float, Statistic]:
    """A metric over all thresholds: its value, and its statistic under weights. Raises UndefinedMetric."""
    ranked = RankedScores.from_scores(labels, scores)
    compute = _RANKING[name]
    value = float(compute(ranked, np.ones((1, len(ranked.order))))[0])
    return value, lambda weights: compute(ranked, weights)


def threshold_statistic(name: ThresholdMetric, labels: Labels, flagged: Labels) -> Statistic:
    """The statistic of a metric at one threshold, from labels and verdicts; NaN where its denominator is 0."""
    unsafe, called = np.asarray(labels, dtype=np.float64), np.asarray(flagged, dtype=np.float64)
    numerator, denominator = {
        "precision": (unsafe * called, called),
        "recall": (unsafe * called, unsafe),
        "fpr": ((1 - unsafe) * called, 1 - unsafe),
        "f1": (2 * unsafe * called, unsafe + called),
    }[name]

    def statistic(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            result: Floats = (weights @ numerator) / (weights @ denominator)
        return result

    return statistic
