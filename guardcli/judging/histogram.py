"""A histogram of scores from 0 to 1."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate

NUM_BINS = 20  # that a person can tell apart
NUM_FINE_BINS = 1000  # a multiple of NUM_BINS: thresholds with three decimals are between bins


class ScoreHistogram:
    """Counts scores in bins of equal width, lower ends included.

    Scores outside [0, 1] count in the first or the last bin.
    """

    def __init__(self, scores: Iterable[float] = (), *, num_bins: int = NUM_BINS) -> None:
        self.counts = [0] * num_bins
        self._edges = _edges(num_bins)
        for score in scores:
            self.add(score)

    def add(self, score: float) -> None:
        """Count one score."""
        self.counts[min(len(self.counts), max(1, bisect_right(self._edges, score))) - 1] += 1

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def max_count(self) -> int:
        return max(self.counts)

    def bins(self) -> Iterator[tuple[str, int]]:
        """Yield the range of each bin, such as "0.45-0.50", with its count."""
        for index, count in enumerate(self.counts):
            yield f"{self._edges[index]:.2f}-{self._edges[index + 1]:.2f}", count

    def rebinned(self, num_bins: int = NUM_BINS) -> ScoreHistogram:
        """The same counts in fewer bins, each of as many of these. Raises ValueError: they cannot be divided so."""
        size, rest = divmod(len(self.counts), num_bins)
        if rest:
            raise ValueError(f"{len(self.counts)} bins cannot be {num_bins}")
        histogram = ScoreHistogram(num_bins=num_bins)
        histogram.counts = [sum(self.counts[at * size : (at + 1) * size]) for at in range(num_bins)]
        return histogram

    def counts_from(self) -> list[int]:
        """How many scores are at or above the lower end of each bin: what a threshold there would flag."""
        return list(accumulate(reversed(self.counts)))[::-1]


@lru_cache(maxsize=8)
def _edges(num_bins: int) -> tuple[float, ...]:
    """The ends of the bins. Quotients, so that a score of 0.57 is in the bin that begins at 0.57."""
    return tuple(index / num_bins for index in range(num_bins + 1))
