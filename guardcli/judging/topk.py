"""The few items of the largest weight among many, without keeping the others. It knows nothing of what they are."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")


class TopK(Generic[T]):
    """Keeps at `most` so many items; of equal weights those that came first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0

    def add(self, weight: float, item: T) -> None:
        """Keep an item, if it is among the largest."""
        self._count += 1
        entry = (weight, -self._count, item)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def items(self) -> list[T]:
        """What is kept, the largest first."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]
