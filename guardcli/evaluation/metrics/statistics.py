"""Figures as statistics of weighted items, as a bootstrap asks for them: over all thresholds, and at one."""

from __future__ import annotations

from typing import Literal

import numpy as np

from guardcli.evaluation.metrics.arrays import Floats, Labels, Ranked, Scores
from guardcli.evaluation.metrics.bootstrap import Statistic
from guardcli.evaluation.metrics.ranking import aurocs, average_precisions

Measure = Literal["auprc", "auroc"]
Share = Literal["f1", "precision", "recall", "fpr"]
SHARES: tuple[Share, ...] = ("f1", "precision", "recall", "fpr")

_OVER_THRESHOLDS = {"auprc": average_precisions, "auroc": aurocs}


def over_thresholds(name: Measure, labels: Labels, scores: Scores) -> tuple[float, Statistic]:
    """A measure of these items, and the same under weights. Raises NoFigure."""
    ranked = Ranked.of(labels, scores)
    compute = _OVER_THRESHOLDS[name]
    value = float(compute(ranked, np.ones((1, len(ranked.order))))[0])
    return value, lambda weights: compute(ranked, weights)


def at_threshold(name: Share, labels: Labels, flagged: Labels) -> Statistic:
    """The share under weights, of items with these labels and verdicts; NaN where it is one of nothing."""
    truth, called = np.asarray(labels, dtype=np.float64), np.asarray(flagged, dtype=np.float64)
    part, whole = {
        "precision": (truth * called, called),
        "recall": (truth * called, truth),
        "fpr": ((1 - truth) * called, 1 - truth),
        "f1": (2 * truth * called, truth + called),
    }[name]

    def share(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            result: Floats = (weights @ part) / (weights @ whole)
        return result

    return share
