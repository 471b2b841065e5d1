"""Ctrl-C while llama.cpp loads a model."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def default_sigint() -> Iterator[None]:
    """Let Ctrl-C end the process at once in the block: for programs that own the process, in their main thread.

    Python would raise KeyboardInterrupt in the callback of llama.cpp's log, where ctypes drops it.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.default_int_handler:  # ignored in the background of a shell, or somebody else's
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
