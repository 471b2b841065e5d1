"""How far a figure might have come out otherwise: bootstrap intervals, and whether two systems differ.

Items are drawn with replacement, the same draws for all systems and for every part of the items, so that differences
are paired. The percentile bootstrap of Efron and Tibshirani (1993, ch. 13); seeded, so a run gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardcli.evaluation.metrics.arrays import Floats

_CELLS = 1 << 22  # weights that are worked on at a time
_HELD = 1 << 27  # weights that are kept, so that they are drawn but once: 256 MB
_LEVEL = 0.95

Drawn = NDArray[np.uint16]
Statistic = Callable[[Floats], Floats]  # weights (b, n) → the figure under each row (b,)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Resamples:
    """`count` resamples of `items` items, as how often each item was drawn; `cells` weights are worked on at a time."""

    def __init__(self, items: int, *, count: int, seed: int, cells: int = _CELLS) -> None:
        self.items, self.count, self.seed, self._cells = items, count, seed, cells
        self._held: Drawn | None = None

    def chunks(self) -> Iterator[Drawn]:
        """How often each item was drawn (b, items), b rows at a time, `count` rows in all; the same at every call."""
        if self._held is not None:
            yield self._held
            return
        rows = max(1, self._cells // max(self.items, 1))
        draw = np.random.default_rng(self.seed)
        found = []
        for start in range(0, self.count, rows):
            drawn = self._drawn(draw, min(rows, self.count - start))
            if self.count * self.items <= _HELD:
                found.append(drawn)
            yield drawn
        if found:
            self._held = np.concatenate(found)

    def distribution(self, statistic: Statistic, places: Sequence[int] | NDArray[np.intp] | None = None) -> Floats:
        """A statistic (count,) over all resamples, of the items at `places` (all if None), NaN where it has none."""
        at = np.arange(self.items) if places is None else np.asarray(places, dtype=np.intp)
        rows = max(1, self._cells // max(len(at), 1))
        found = [
            statistic(drawn[start : start + rows, at].astype(np.float64))
            for drawn in self.chunks()
            for start in range(0, len(drawn), rows)
        ]
        return np.concatenate(found)

    def _drawn(self, draw: np.random.Generator, rows: int) -> Drawn:
        drawn = draw.integers(self.items, size=(rows, self.items))
        drawn += np.arange(rows)[:, None] * self.items
        counts = np.bincount(drawn.ravel(), minlength=rows * self.items)
        return counts.reshape(rows, self.items).astype(np.uint16)  # no item of 65,536 is drawn every time


def interval(value: float, distribution: Floats) -> Interval | None:
    """The figure between the percentiles of its distribution; None if hardly a resample has it."""
    known = distribution[~np.isnan(distribution)]
    if 2 * len(known) < len(distribution):
        return None
    low, high = np.quantile(known, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(value, float(low), float(high))


def difference(value: float, distribution: Floats) -> tuple[Interval | None, float | None]:
    """A paired difference with its interval, and the two-sided p-value of there being none: twice the share of
    resamples on the other side of 0, each side counted with one more (Davison and Hinkley, 1997, 4.2)."""
    known = distribution[~np.isnan(distribution)]
    found = interval(value, distribution)
    if found is None:
        return None, None
    side = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return found, min(1.0, 2 * (side + 1) / (len(known) + 1))
