"""Labels and scores as arrays, and ranked by score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = Sequence[bool] | NDArray[np.bool_]
Scores = Sequence[float] | Floats


class UndefinedMetric(ValueError):
    """The metric is not defined for these labels and scores; the message says why."""


@dataclass(frozen=True, slots=True)
class RankedScores:
    """Labels and scores in the order of falling scores.

        scores   .9  .7  .7  .7  .2        starts = [0, 1, 4]: a threshold cannot separate equal scores
                 └┘  └────────┘  └┘

    Shapes, for n samples with g distinct scores: `order` (n,) are the indices of the samples as they were given;
    `labels` (n,) and `scores` (n,) are in that order; `starts` (g,) is where each group of equal scores begins.
    """

    order: NDArray[np.intp]
    labels: NDArray[np.bool_]
    scores: Floats
    starts: NDArray[np.intp]

    @classmethod
    def from_scores(cls, labels: Labels, scores: Scores) -> RankedScores:
        """Rank samples.

        Raises:
            UndefinedMetric: there are no samples, only one class, or a score is not finite.
        """
        label_array, score_array = to_arrays(labels, scores)
        if label_array.all() or not label_array.any():
            raise UndefinedMetric(f"all {len(label_array):,} items are {'unsafe' if label_array.all() else 'safe'}")
        order = np.argsort(-score_array, kind="stable")
        ranked = score_array[order]
        starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
        return cls(order=order, labels=label_array[order], scores=ranked, starts=starts)


def count_smallest_class(labels: Labels) -> int:
    """How many samples have the rarer label."""
    return int(min(np.count_nonzero(labels), len(labels) - np.count_nonzero(labels)))


def to_arrays(labels: Labels, scores: Scores) -> tuple[NDArray[np.bool_], Floats]:
    """Both as arrays of one length (n,).

    Raises:
        UndefinedMetric: there are no samples, or a score is not finite.
        ValueError: their lengths differ.
    """
    label_array, score_array = np.asarray(labels, dtype=np.bool_), np.asarray(scores, dtype=np.float64)
    if label_array.shape != score_array.shape or label_array.ndim != 1:
        raise ValueError(f"labels of shape {label_array.shape} do not go with scores of shape {score_array.shape}")
    if not len(label_array):
        raise UndefinedMetric("there are no items")
    if not np.isfinite(score_array).all():
        raise UndefinedMetric("a score is not finite")
    return label_array, score_array
