"""Keep the k items with the largest weights of a stream."""

from __future__ import annotations

import heapq
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
Weight: TypeAlias = "float | tuple[float, ...]"  # of one kind in a TopK


class TopK(Generic[T]):
    """Keeps the `k` items with the largest weights; of equal weights those that came first."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._heap: list[tuple[Weight, int, T]] = []
        self._count = 0

    def add(self, weight: Weight, item: T) -> None:
        """Keep an item if it is among the k largest."""
        self._count += 1
        entry = (weight, -self._count, item)
        if len(self._heap) < self._k:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def accepts(self, weight: Weight) -> bool:
        """Whether an item of this weight would be kept if it were added now."""
        return len(self._heap) < self._k or weight > self._heap[0][0]  # type: ignore[operator]

    def items(self) -> list[T]:
        """The kept items, the largest first."""
        return [item for _, item in self.weighted_items()]

    def weighted_items(self) -> list[tuple[Weight, T]]:
        """The kept items with their weights, the largest first."""
        ranked = sorted(self._heap, key=lambda entry: entry[:2], reverse=True)
        return [(weight, item) for weight, _, item in ranked]
