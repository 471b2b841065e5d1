"""An iterator run ahead in a thread: reading and encoding go on while the model is at work.

The order is kept, look-ahead is bounded by weight, and an exception comes out where its item would have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Condition, Thread
from typing import Generic, TypeVar

T = TypeVar("T")

WAKE = 0.5  # seconds: Ctrl-C that comes just before a wait without end is not seen in it


def prefetch_items(
    items: Iterable[T], *, weigh: Callable[[T], int], room: int, live: bool = False
) -> Iterator[T | None]:
    """The same items, read ahead as far as their weights fill `room`; one heavier than that waits for all before it.

    With `live`, a None says that the next one has not arrived yet; asking again waits for it. A None also
    comes before an exception of the items.
    """
    buffer = _Buffer(weigh, room)
    Thread(target=buffer.fill, args=(items,), name="guard-ahead", daemon=True).start()
    try:
        while True:
            if live and not buffer.arrived():
                yield None
            try:
                item = buffer.take()
            except StopIteration:
                return
            except Exception:
                yield None  # what came before it is answered first
                raise
            yield item
    finally:
        buffer.stop()


class _Buffer(Generic[T]):
    """What was read and not yet taken, and how reading ended."""

    def __init__(self, weigh: Callable[[T], int], room: int) -> None:
        self._weigh = weigh
        self._room = room
        self._items: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._end: BaseException | None = None
        self._stopped = False
        self._changed = Condition()

    def fill(self, items: Iterable[T]) -> None:
        """Read to the end, an exception, or a stop. Runs in the thread."""
        end: BaseException = StopIteration()
        try:
            for item in items:
                if not self._put(item):
                    return
        except BaseException as error:  # it belongs to whoever takes the items
            end = error
        with self._changed:
            self._end = end
            self._changed.notify_all()

    def _put(self, item: T) -> bool:
        weight = self._weigh(item)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._items or self._weight + weight <= self._room)
            self._items.append((item, weight))
            self._weight += weight
            self._changed.notify_all()
            return not self._stopped

    def arrived(self) -> bool:
        """Whether taking would not wait."""
        with self._changed:
            return bool(self._items) or self._end is not None

    def take(self) -> T:
        """The next item. Raises what ended the reading, StopIteration if nothing did."""
        with self._changed:
            while not self._items and self._end is None:
                self._changed.wait(WAKE)
            if not self._items:
                raise self._end or StopIteration
            item, weight = self._items.popleft()
            self._weight -= weight
            self._changed.notify_all()
            return item

    def stop(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
