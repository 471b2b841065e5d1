"""Labels and scores as arrays that go together, in the order of the scores. It computes no figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = Sequence[bool] | NDArray[np.bool_]
Scores = Sequence[float] | Floats


class NoFigure(ValueError):
    """There is no such figure for these labels and scores; the message says why."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Labels by falling score, and the groups of equal scores, which no threshold can part.

    `order` (n,) are the places of the items in what was given; `labels` (n,) and `scores` (n,) stand in that order;
    `starts` (g,) is where each group of equal scores begins.
    """

    order: NDArray[np.intp]
    labels: NDArray[np.bool_]
    scores: Floats
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, labels: Labels, scores: Scores) -> Ranked:
        """Rank items. Raises NoFigure: there are none, a score is not finite, or there is one class only."""
        truth, values = arrays(labels, scores)
        if truth.all() or not truth.any():
            raise NoFigure(f"all {len(truth):,} items are {'unsafe' if truth.all() else 'safe'}")
        order = np.argsort(-values, kind="stable")
        ranked = values[order]
        starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
        return cls(order, truth[order], ranked, starts)


def arrays(labels: Labels, scores: Scores) -> tuple[NDArray[np.bool_], Floats]:
    """Both as arrays of one length (n,).

    Raises:
        NoFigure: there are none, or a score is not finite.
        ValueError: their lengths differ.
    """
    truth, values = np.asarray(labels, dtype=np.bool_), np.asarray(scores, dtype=np.float64)
    if truth.shape != values.shape or truth.ndim != 1:
        raise ValueError(f"labels of shape {truth.shape} do not go with scores of shape {values.shape}")
    if not len(truth):
        raise NoFigure("there are no items")
    if not np.isfinite(values).all():
        raise NoFigure("a score is not finite")
    return truth, values
