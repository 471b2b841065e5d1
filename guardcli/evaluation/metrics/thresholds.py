"""Which threshold to carry: the one that is best by F1, or the lowest that keeps a promise.

A threshold is a number for a taxonomy's file: as short as can stand between two scores. It is chosen on the items at
hand, and so a little too good for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from guardcli.evaluation.metrics.arrays import Floats, Labels, Ranked, Scores
from guardcli.evaluation.metrics.confusion import Counts

Wish = Literal["f1", "fpr", "precision", "recall"]
AIMS: tuple[Wish, ...] = ("f1", "fpr", "precision", "recall")


@dataclass(frozen=True, slots=True)
class Aim:
    """`f1`: the highest. `fpr`: at most `limit`, and of these the highest recall. `precision`: at least `limit`, and
    the highest recall. `recall`: at least `limit`, and the lowest share of false alarms."""

    wish: Wish
    limit: float | None = None

    @property
    def words(self) -> str:
        return self.wish if self.limit is None else f"{self.wish}={self.limit:g}"


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, and what it gives on the items that it was chosen on."""

    threshold: float
    counts: Counts


def choose(labels: Labels, scores: Scores, aim: Aim) -> Choice | None:
    """The threshold for an aim; None if no threshold in [0, 1] reaches it. Raises NoFigure."""
    ranked = Ranked.of(labels, scores)
    tp = np.cumsum(np.add.reduceat(ranked.labels.astype(np.int64), ranked.starts))
    called = np.append(ranked.starts[1:], len(ranked.order))
    fp = called - tp
    unsafe = int(tp[-1])
    best = _best(tp, fp, unsafe, len(ranked.order) - unsafe, aim)
    if best is None:
        return None
    at = ranked.scores[ranked.starts]
    above = float(at[best - 1]) if best else math.inf
    below = float(at[best + 1]) if best + 1 < len(at) else -math.inf
    found = Counts(int(tp[best]), int(fp[best]), unsafe - int(tp[best]), int(fp[-1]) - int(fp[best]))
    assert above > at[best] > below
    return Choice(shortest(below, float(at[best])), found)


def shortest(below: float, score: float) -> float:
    """The number with the fewest decimals that is above one score and not above the next."""
    for digits in range(1, 17):
        scale = 10.0**digits
        if not math.isfinite(score * scale):
            break
        number = math.floor(score * scale) / scale
        if below < number <= score:
            return number
    return score


def _best(tp: Floats, fp: Floats, unsafe: int, safe: int, aim: Aim) -> int | None:
    """Which point of the curve; of equal ones that with the higher threshold."""
    if aim.wish == "f1":
        return int(np.argmax(2 * tp / (tp + fp + unsafe)))
    assert aim.limit is not None
    if aim.wish == "recall":
        reached = np.flatnonzero(tp / unsafe >= aim.limit)
        return int(reached[0]) if len(reached) else None
    kept = fp / safe <= aim.limit if aim.wish == "fpr" else tp / (tp + fp) >= aim.limit
    reached = np.flatnonzero(kept)
    if not len(reached):
        return None
    return int(reached[np.argmax(tp[reached])])
