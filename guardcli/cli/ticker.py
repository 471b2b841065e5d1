"""Progress on stderr from a thread of its own: it goes on while the model is at work on one record."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType

from guardcli.cli import output

FIRST = 0.8  # seconds
EVERY_ON_TERMINAL, EVERY = 0.5, 5.0


class Ticker:
    """Tells a state again and again: in place on a terminal, else in lines. Use it as a context manager."""

    def __init__(self, state: Callable[[], str], *, quiet: bool = False, every: float | None = None) -> None:
        self._state = state
        self._every = every or (EVERY_ON_TERMINAL if output.stderr_is_terminal() else EVERY)
        self._over = Event()
        self._thread = None if quiet else Thread(target=self._run, name="guard-ticker", daemon=True)

    def __enter__(self) -> Ticker:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            output.show_progress(None)

    def _run(self) -> None:
        pause = min(FIRST, self._every)
        while not self._over.wait(pause):
            output.show_progress(self._state())
            pause = self._every
