"""An iterator run ahead in a thread: reading and encoding go on while the model is at work.

The order is kept, look-ahead is bounded, and an exception comes out where its item would have.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


class _End:
    pass


_END = _End()


def run_ahead(items: Iterable[T], *, size: int = 256, live: bool = False) -> Iterator[T | None]:
    """The same items. With `live`, a None says that the next one has not arrived yet; asking again waits for it."""
    queue: Queue[_Item[T] | _End | BaseException] = Queue(size)
    stopped = Event()
    Thread(target=_fill, args=(items, queue, stopped), name="guard-ahead", daemon=True).start()
    try:
        while True:
            if live and queue.empty():
                yield None
            got = queue.get()
            if isinstance(got, _End):
                return
            if isinstance(got, BaseException):
                raise got
            yield got.value
    finally:
        stopped.set()
        with contextlib.suppress(Empty):
            queue.get_nowait()  # lets a thread that waits for room see that it is over


def _fill(items: Iterable[T], queue: Queue[_Item[T] | _End | BaseException], stopped: Event) -> None:
    last: _End | BaseException = _END
    try:
        for item in items:
            if not _put(queue, _Item(item), stopped):
                return
    except BaseException as error:  # it belongs to whoever reads
        last = error
    _put(queue, last, stopped)


def _put(queue: Queue[T], item: T, stopped: Event) -> bool:
    while not stopped.is_set():
        with contextlib.suppress(Full):
            queue.put(item, timeout=0.5)
            return True
    return False
