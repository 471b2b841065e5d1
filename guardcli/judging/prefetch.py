"""Prefetch an iterator in a thread, so that records are read and encoded while the model evaluates.

The order is kept, the buffer is bounded by weight, and an exception is raised in its place.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Condition, RLock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")

WAKE = 0.5  # seconds: a wait without a timeout would not see a Ctrl-C that comes just before it


def prefetch_items(
    items: Iterable[T], *, weigh: Callable[[T], int], room: int, live: bool = False
) -> Iterator[T | None]:
    """Yield the same items, read ahead until their weights fill `room`. A heavier item waits until the buffer is empty.

    With `live`, None is yielded when the next item has not arrived yet; the next call waits for it. None is also
    yielded before an exception of `items` is raised.
    """
    buffer = _Buffer(weigh, room)
    Thread(target=buffer.fill, args=(items,), name="guard-ahead", daemon=True).start()
    try:
        while True:
            if live and not buffer.is_ready():
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
    """The items that were read and not taken yet, and the exception that ended the reading."""

    def __init__(self, weigh: Callable[[T], int], room: int) -> None:
        self._pid = os.getpid()
        self._weigh = weigh
        self._room = room
        self._items: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._end: BaseException | None = None
        self._stopped = False
        self._lock = RLock()  # taken by itself, as in `EngineLease`
        self._changed = Condition(self._lock)

    def fill(self, items: Iterable[T]) -> None:
        """Read until the end, an exception, or `stop`. Runs in the thread."""
        end: BaseException = StopIteration()
        try:
            for item in items:
                if not self._put(item):
                    return
        except BaseException as error:  # it belongs to whoever takes the items
            end = error
        with self._lock:
            self._end = end
            self._changed.notify_all()

    def _put(self, item: T) -> bool:
        weight = self._weigh(item)
        with self._lock:
            self._changed.wait_for(lambda: self._stopped or not self._items or self._weight + weight <= self._room)
            self._items.append((item, weight))
            self._weight += weight
            self._changed.notify_all()
            return not self._stopped

    def is_ready(self) -> bool:
        """Whether `take` would return at once."""
        with self._lock:
            return bool(self._items) or self._end is not None

    def take(self) -> T:
        """Return the next item. Raises the exception that ended the reading; StopIteration at the end."""
        with self._lock:
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
        if os.getpid() != self._pid:  # it was not forked, and may have held the lock
            return
        with self._lock:
            self._stopped = True
            self._changed.notify_all()
