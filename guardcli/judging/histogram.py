"""A histogram of scores from 0 to 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

NUM_BINS = 20


class ScoreHistogram:
    """Counts scores in bins of equal width; scores outside [0, 1] count in the first or the last bin."""

    def __init__(self, scores: Iterable[float] = ()) -> None:
        self.counts = [0] * NUM_BINS
        for score in scores:
            self.add(score)

    def add(self, score: float) -> None:
        """Count one score."""
        self.counts[min(NUM_BINS - 1, int(max(0.0, score) * NUM_BINS))] += 1

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def max_count(self) -> int:
        return max(self.counts)

    def bins(self) -> Iterator[tuple[str, int]]:
        """Yield the range of each bin, such as "0.45-0.50", with its count."""
        for index, count in enumerate(self.counts):
            yield f"{index / NUM_BINS:.2f}-{(index + 1) / NUM_BINS:.2f}", count
