"""Which units are left, which are being judged, and which can be joined next."""

from __future__ import annotations

import heapq


class UnitQueue:
    """Hands out the units `first` to `count - 1`, the lowest number first, and says in which order they are complete.

    Its memory does not depend on the number of units, but on how many are judged at a time, and how far apart.

    >>> queue = UnitQueue(0, 3)
    >>> queue.take(), queue.take()
    (0, 1)
    >>> queue.finish(1), queue.joinable
    (None, None)
    >>> queue.finish(0), queue.joinable
    (None, 0)
    """

    def __init__(self, first: int, count: int) -> None:
        self._next = self._joined = first
        self._count = count
        self._returned: list[int] = []
        self._finished: set[int] = set()

    def take(self) -> int | None:
        """Return the next unit to judge; None if there is none."""
        if self._returned:
            return heapq.heappop(self._returned)
        if self._next == self._count:
            return None
        self._next += 1
        return self._next - 1

    def give_back(self, unit: int) -> None:
        """Have a unit handed out again."""
        heapq.heappush(self._returned, unit)

    def finish(self, unit: int) -> None:
        """A unit is judged."""
        self._finished.add(unit)

    @property
    def joinable(self) -> int | None:
        """The unit that comes next in the output, if it is judged."""
        return self._joined if self._joined in self._finished else None

    def join(self) -> None:
        """That unit is in the output."""
        self._finished.remove(self._joined)
        self._joined += 1

    @property
    def num_complete(self) -> int:
        """How many of all units are judged, those of earlier runs included."""
        return self._joined + len(self._finished)

    @property
    def is_done(self) -> bool:
        """Whether all units are in the output."""
        return self._joined == self._count
