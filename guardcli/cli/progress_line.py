"""Progress on stderr, from a thread: it is updated while the model judges a long record."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType

from guardcli.cli import output

_DELAY = 0.8  # seconds before the first update
_TERMINAL_INTERVAL, _INTERVAL = 0.5, 5.0  # seconds between updates


class ProgressLine:
    """Shows a state at intervals: in place on a terminal, else as lines. Use it as a context manager."""

    def __init__(self, state: Callable[[], str], *, quiet: bool = False, interval: float | None = None) -> None:
        self._state = state
        self._interval = interval or (_TERMINAL_INTERVAL if output.stderr_is_terminal() else _INTERVAL)
        self._stopped = Event()
        self._thread = None if quiet else Thread(target=self._run, name="guard-progress", daemon=True)

    def __enter__(self) -> ProgressLine:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._stopped.set()
            self._thread.join()
            output.show_progress(None)

    def _run(self) -> None:
        pause = min(_DELAY, self._interval)
        while not self._stopped.wait(pause):
            output.show_progress(self._state())
            pause = self._interval
