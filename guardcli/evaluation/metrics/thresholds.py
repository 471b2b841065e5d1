"""Choose a threshold: the best F1, or the best that meets a target such as FPR ≤ 0.05.

A threshold is a number for a taxonomy's file, so it is as short as fits between two scores. It is chosen on the given
samples, so its metrics on them are optimistic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from guardcli.evaluation.metrics.arrays import Floats, Labels, RankedScores, Scores
from guardcli.evaluation.metrics.confusion import ConfusionMatrix

ObjectiveMetric = Literal["f1", "fpr", "precision", "recall"]
OBJECTIVE_METRICS: tuple[ObjectiveMetric, ...] = ("f1", "fpr", "precision", "recall")


@dataclass(frozen=True, slots=True)
class ThresholdObjective:
    """What the chosen threshold optimizes.

    f1                 the highest F1
    fpr=TARGET         an FPR of at most the target, then the highest recall
    precision=TARGET   a precision of at least the target, then the highest recall
    recall=TARGET      a recall of at least the target, then the lowest FPR
    """

    metric: ObjectiveMetric
    target: float | None = None

    def __str__(self) -> str:
        return self.metric if self.target is None else f"{self.metric}={self.target:g}"


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """A threshold, and its confusion matrix on the samples that it was chosen on."""

    threshold: float
    confusion: ConfusionMatrix


def choose_threshold(labels: Labels, scores: Scores, objective: ThresholdObjective) -> ThresholdChoice | None:
    """The threshold for an objective; None if no threshold in [0, 1] meets its target.

    Raises:
        UndefinedMetric: there are no samples, or only one class.
    """
    ranked = RankedScores.from_scores(labels, scores)
    # Candidate i calls everything from the i-th distinct score up unsafe.
    tp = np.cumsum(np.add.reduceat(ranked.labels.astype(np.int64), ranked.starts))
    num_flagged = np.append(ranked.starts[1:], len(ranked.order))
    fp = num_flagged - tp
    num_unsafe = int(tp[-1])
    best = _best_candidate(tp, fp, num_unsafe, len(ranked.order) - num_unsafe, objective)
    if best is None:
        return None
    distinct = ranked.scores[ranked.starts]
    above = float(distinct[best - 1]) if best else math.inf
    below = float(distinct[best + 1]) if best + 1 < len(distinct) else -math.inf
    assert above > distinct[best] > below
    confusion = ConfusionMatrix(
        tp=int(tp[best]), fp=int(fp[best]), fn=num_unsafe - int(tp[best]), tn=int(fp[-1]) - int(fp[best])
    )
    return ThresholdChoice(shortest_decimal(below, float(distinct[best])), confusion)


def shortest_decimal(below: float, score: float) -> float:
    """The number with the fewest decimals in (below, score], such as 0.5 for (0.4312, 0.5201]."""
    for digits in range(1, 17):
        scale = 10.0**digits
        if not math.isfinite(score * scale):
            break
        number = math.floor(score * scale) / scale
        if below < number <= score:
            return number
    return score


def _best_candidate(
    tp: Floats, fp: Floats, num_unsafe: int, num_safe: int, objective: ThresholdObjective
) -> int | None:
    """The index of the best candidate; of equal ones that with the higher threshold."""
    if objective.metric == "f1":
        return int(np.argmax(2 * tp / (tp + fp + num_unsafe)))
    assert objective.target is not None
    if objective.metric == "recall":
        candidates = np.flatnonzero(tp / num_unsafe >= objective.target)
        return int(candidates[0]) if len(candidates) else None
    if objective.metric == "fpr":
        meets_target = fp / num_safe <= objective.target
    else:
        meets_target = tp / (tp + fp) >= objective.target
    candidates = np.flatnonzero(meets_target)
    if not len(candidates):
        return None
    return int(candidates[np.argmax(tp[candidates])])
