"""Bootstrap confidence intervals, and the paired test of whether two systems differ.

Samples are drawn with replacement, with the same draws for all systems and for every slice, so that differences are
paired. The percentile bootstrap of Efron and Tibshirani (1993, ch. 13); seeded, so a run gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardcli.evaluation.metrics.arrays import Floats

_CHUNK_CELLS = 1 << 22  # weights per chunk
_MAX_CACHED_CELLS = 1 << 27  # weights that are cached rather than drawn again: 256 MB
LEVEL = 0.95

DrawCounts = NDArray[np.uint16]
Statistic = Callable[[Floats], Floats]  # weights (b, n) → the metric under each row (b,)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % confidence interval.

    The interval is a single point where it is unknown how certain the value is: of one record, or where no resample
    differs. It says nothing then, and least of all that the value is certain.
    """

    value: float
    low: float
    high: float

    @property
    def is_point(self) -> bool:
        return self.low == self.high


class Bootstrap:
    """Resamples of samples, each as how often every sample was drawn.

        samples      a  b  c  d
        resample 1   1  0  2  1      drawn: a c c d
        resample 2   0  3  1  0      drawn: b b b c

    `chunk_cells` is how many of these numbers are worked on at a time.
    """

    def __init__(self, num_samples: int, *, num_resamples: int, seed: int, chunk_cells: int = _CHUNK_CELLS) -> None:
        self.num_samples, self.num_resamples, self.seed = num_samples, num_resamples, seed
        self._chunk_cells = chunk_cells
        self._cached: DrawCounts | None = None

    def chunks(self) -> Iterator[DrawCounts]:
        """Yield the resamples as chunks (b, num_samples), the same at every call."""
        if self._cached is not None:
            yield self._cached
            return
        chunk_rows = max(1, self._chunk_cells // max(self.num_samples, 1))
        rng = np.random.default_rng(self.seed)
        chunks = []
        for start in range(0, self.num_resamples, chunk_rows):
            chunk = self._draw(rng, min(chunk_rows, self.num_resamples - start))
            if self.num_resamples * self.num_samples <= _MAX_CACHED_CELLS:
                chunks.append(chunk)
            yield chunk
        if chunks:
            self._cached = np.concatenate(chunks)

    def distribution(self, statistic: Statistic, indices: Sequence[int] | NDArray[np.intp] | None = None) -> Floats:
        """The statistic (num_resamples,) under every resample, of the samples at `indices` (all if None).

        NaN where it is not defined.
        """
        columns = np.arange(self.num_samples) if indices is None else np.asarray(indices, dtype=np.intp)
        chunk_rows = max(1, self._chunk_cells // max(len(columns), 1))
        values = [
            statistic(chunk[start : start + chunk_rows, columns].astype(np.float64))
            for chunk in self.chunks()
            for start in range(0, len(chunk), chunk_rows)
        ]
        return np.concatenate(values)

    def _draw(self, rng: np.random.Generator, rows: int) -> DrawCounts:
        drawn = rng.integers(self.num_samples, size=(rows, self.num_samples))
        drawn += np.arange(rows)[:, None] * self.num_samples
        counts = np.bincount(drawn.ravel(), minlength=rows * self.num_samples)
        # 16 bits are enough: no sample is drawn 65,536 times
        return counts.reshape(rows, self.num_samples).astype(np.uint16)


def percentile_interval(value: float, distribution: Floats, *, smallest_class: int | None = None) -> Interval | None:
    """The interval between the percentiles of a distribution; None if most resamples do not define the metric.

    Args:
        smallest_class: How many samples the rarer label has, for a metric that ranks. Of one sample the interval is a
            point: every resample that has it is of the same one, and differs in the other label only.
    """
    if smallest_class == 1:
        return Interval(value, value, value)
    defined = distribution[~np.isnan(distribution)]
    if 2 * len(defined) < len(distribution):
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def paired_difference(
    value: float, distribution: Floats, *, smallest_class: int | None = None
) -> tuple[Interval | None, float | None]:
    """A paired difference with its interval and two-sided p-value.

    The p-value is twice the fraction of resamples on the other side of 0, each side counted with one more (Davison
    and Hinkley, 1997, 4.2). Both are None if most resamples do not define the difference; of one sample of a label
    (`smallest_class`) there is no p-value.
    """
    interval = percentile_interval(value, distribution, smallest_class=smallest_class)
    if interval is None or smallest_class == 1:
        return interval, None
    defined = distribution[~np.isnan(distribution)]
    smaller_side = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return interval, min(1.0, 2 * (smaller_side + 1) / (len(defined) + 1))
