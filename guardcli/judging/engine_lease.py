"""One run of the engine at a time: a lease that runs take in the order in which they ask for it.

bulk run (Guard.judge)   acquire ── step ── yield ── step ── yield ── … ── release
engine thread            acquire (waits) ……………………………………………………………………………… step ── …
                                                      └ steps aside when another run waits
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Condition, RLock, Thread, current_thread
from typing import TypeVar

from guardcli.errors import EngineError, ModelError
from guardcli.judging.prefetch import WAKE

T = TypeVar("T")

CLOSED = "this guard is closed: read its verdicts before you close it"


class Lease:
    """A run's hold on the engine: the threads that it needs to go on, and whether it is between two steps."""

    def __init__(self) -> None:
        self.thread = current_thread()  # that asked for its last result
        self.reader: Thread | None = None  # that reads its records
        self.suspended = False


class EngineLease:
    """Grants the engine to one run at a time, first come, first served. May be used from any thread."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        # `with` takes this lock itself: the Condition's own `__enter__` is Python, and a Ctrl-C in it leaves it locked.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._waiting: deque[Lease] = deque()
        self._holder: Lease | None = None
        self._closed = False
        self._when_idle: Callable[[], None] | None = None  # waits for the end of the holder's step

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process that opened the engine."""
        return os.getpid() != self._pid

    @property
    def is_wanted(self) -> bool:
        """Whether a run waits for the lease."""
        return bool(self._waiting)

    def check_open(self) -> None:
        """Check that a run may go on.

        Raises:
            ModelError: the guard is closed.
            EngineError: this is a forked process.
        """
        if self.forked:
            raise EngineError(
                "this guard was opened before the process forked, and a forked process has none of llama.cpp's "
                "threads: open a guard in each process, or start processes with the method 'spawn'",
                code="engine/forked",
            )
        if self._closed:
            raise ModelError(CLOSED, code="model/closed")

    def check_usable(self) -> None:
        """Check that the calling thread may start a run, or wait for one.

        Raises:
            ModelError: the guard is closed.
            EngineError: this is a forked process, or the thread would wait for a run of its own.
        """
        self.check_open()
        if self._is_own(self._holder):
            raise EngineError(
                "another run on this engine is still in progress: finish it or close its iterator first",
                code="engine/busy",
            )

    @contextmanager
    def hold(self) -> Iterator[Lease]:
        """Wait for the lease, and hold it. Raises as `check_usable`."""
        lease = self._acquire()
        try:
            yield lease
        finally:
            self._release(lease)

    def suspend(self, lease: Lease) -> None:
        """Note that a run hands out a result: until `resume`, it does not touch the engine."""
        lease.suspended = True
        if self._when_idle is not None:
            self._call_when_idle()

    def resume(self, lease: Lease) -> None:
        """Note that a run goes on, in whichever thread asks for its next result. Waits while the engine is freed."""
        if self.forked:  # the lock may be held by a thread that was not forked
            return
        with self._lock:
            lease.suspended = False
            lease.thread = current_thread()

    def read(self, lease: Lease, items: Iterable[T]) -> Iterator[T]:
        """Yield what a run reads in a thread of its own, which must not wait for another run."""
        lease.reader = current_thread()
        try:
            yield from items
        finally:
            lease.reader = None

    def close(self) -> None:
        """Refuse all further runs; those that wait raise ModelError at once."""
        self._closed = True
        if self.forked:
            return
        with self._lock:
            self._changed.notify_all()

    def call_when_idle(self, action: Callable[[], None]) -> None:
        """Call `action` while no run is in the middle of a step, and let none begin one meanwhile.

        Waits for the step of another thread. Where a step of the calling thread is not over (its source of records
        closes the guard), that run calls `action` when it is.
        """
        with self._lock:
            while self._is_in_step() and not self._is_own(self._holder):
                self._changed.wait(WAKE / 50)  # a step ends without a notice
            self._when_idle = action
            if not self._is_in_step():
                self._call_when_idle()

    def _is_in_step(self) -> bool:
        return self._holder is not None and not self._holder.suspended

    def _call_when_idle(self) -> None:
        with self._lock:
            action, self._when_idle = self._when_idle, None
            if action is not None:
                action()

    def _is_own(self, lease: Lease | None) -> bool:
        return lease is not None and current_thread() in (lease.thread, lease.reader)

    def _acquire(self) -> Lease:
        self.check_usable()
        lease = Lease()
        try:
            with self._lock:
                self._waiting.append(lease)
                while self._holder is not None or self._waiting[0] is not lease:
                    self._changed.wait(WAKE)
                    self.check_usable()
                self.check_open()  # it may have been closed, and the engine freed, before the lock was taken
                self._holder = lease
                self._waiting.remove(lease)
        except BaseException:  # a Ctrl-C may come anywhere, also after it was granted
            self._release(lease)
            raise
        return lease

    def _release(self, lease: Lease) -> None:
        if self.forked:  # the lock may be held by a thread that was not forked
            return
        # An iterator may be closed by the garbage collector of a thread that holds the lock: it can be taken twice.
        with self._lock:
            if lease in self._waiting:
                self._waiting.remove(lease)
            if self._holder is lease:
                self._holder = None
                self._call_when_idle()
            self._changed.notify_all()
