"""Where a command's data go: stdout as bytes, a record at a time, and an end of it that is no error."""

from __future__ import annotations

import os
import sys

from guardcli.errors import ReaderGone


def write(text: str) -> None:
    """Write and flush, so that a reader at the other end of a pipe has the record at once.

    Raises:
        ReaderGone: nobody reads any more.
    """
    try:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error


def in_colour() -> bool:
    """Colour on a terminal only; NO_COLOR and FORCE_COLOR have the last word."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()
