"""Signals that ask a run to end, as an exception that never comes in the middle of a write."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType, TracebackType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interrupts:
    """Raises `Interrupted` in the main thread where a signal asks the run to end. Use it as a context manager.

    A signal that comes inside `deferred` is raised at its end. So is one whose exception was lost before, because it
    came in a callback of ctypes. Signals that are ignored already, as SIGHUP is under nohup, stay so.
    """

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        self._deferred = 0
        self._pending: int | None = None

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Hold signals back in the block."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
        self.check()

    def request(self, number: int) -> None:
        """Have `Interrupted` raised at the end of the next `deferred`, as for a signal; from another thread."""
        self._pending = number

    def check(self) -> None:
        """Raise Interrupted if a signal was held back."""
        if self._pending is not None and not self._deferred:
            raise Interrupted(self._pending)

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._pending = number
        self.check()
