"""Which records of a block end the process: each is judged in a child process, and its answers are thrown away.

::

    child 1   r0 ok   r1 ok   r2 dies            r2: first death
    child 2   r2 dies                            r2: second death: guilty
    child 3   r3 ok   r4 ok   …                  to the end of the block

A record is guilty if two children died of it, by a fault or by SIGKILL: one alone may have been the OOM killer, or
another record before it in the same child. Other signals prove nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, TypeAlias

from guardcli.audit.blocks import Item
from guardcli.errors import EngineError

if TYPE_CHECKING:
    from guardcli.judging import Guard

OpenGuard: TypeAlias = "Callable[[], Guard]"

_FAULTS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
_EVIDENCE = {int(number) for number in (*_FAULTS, signal.SIGKILL)}
_DEATHS = 2  # of children, that make a record guilty
_MOST_FAILURES = 10  # children that ended for another reason


def isolate_records(open_guard: OpenGuard, items: Sequence[Item]) -> Iterator[tuple[int, str | None]]:
    """Judge each item in a child process: its index, and the signal that ended two children, None if it is innocent.

    `open_guard` must be picklable; the child calls it.

    Raises:
        EngineError: children end for another reason, again and again.
    """
    at, failures = 0, 0
    deaths: Counter[int] = Counter()
    while at < len(items):
        child = _Child(open_guard, items[at:])
        try:
            for _ in child.judged():
                yield at, None
                at += 1
            code = child.exit_code()
        finally:
            child.kill()
        if at == len(items):
            return
        if child.ready and -code in _EVIDENCE:
            deaths[at] += 1
            if deaths[at] == _DEATHS:
                yield at, signal.Signals(-code).name
                at += 1
            continue
        failures += 1
        if failures == _MOST_FAILURES:
            raise EngineError(
                f"the records of the block cannot be tried: the process that does so ends with {code}",
                code="engine/failed",
            )
        if child.ready and code == 1:  # an exception of Python is reported where the block is judged
            yield at, None
            at += 1


class _Child:
    """A process that judges items one by one, and says so."""

    def __init__(self, open_guard: OpenGuard, items: Sequence[Item]) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would have llama.cpp's locks, and not its threads
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_judge, args=(open_guard, list(items), sender), daemon=True)
        self._process.start()
        sender.close()
        self.ready = False

    def judged(self) -> Iterator[None]:
        """Once for each item that is judged, until the child ends."""
        while True:
            try:
                self._receiver.recv()
            except EOFError:
                return
            if self.ready:
                yield
            self.ready = True

    def exit_code(self) -> int:
        self._process.join()
        code = self._process.exitcode
        return 0 if code is None else code

    def kill(self) -> None:
        self._receiver.close()
        self._process.kill()
        self._process.join()


def _judge(open_guard: OpenGuard, items: Sequence[Item], sender: Connection) -> None:
    """What the child runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    with open_guard() as guard:
        sender.send(None)
        for item in items:
            guard.reset([item])
            for _ in guard.judge([item], prefetch="full", check_answers=False):
                pass
            sender.send(None)
