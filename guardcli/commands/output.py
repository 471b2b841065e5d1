"""Where a command's data go: stdout as bytes, a record at a time, and an end of it that is no error."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from guardcli.errors import OutputError, ReaderGone


def write(text: str) -> None:
    """Write and flush, so that a reader at the other end of a pipe has the record at once.

    Raises:
        ReaderGone: nobody reads any more.
        OutputError: it cannot be written, to a full disk for one.
    """
    write_bytes(text.encode("utf-8", "backslashreplace"))


def write_bytes(data: bytes) -> None:
    """The same of bytes."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error
    except (OSError, AttributeError) as error:  # Python has no stdout at all where it was closed
        raise OutputError(f"cannot write to stdout: {getattr(error, 'strerror', None) or 'it is closed'}") from error


def save(path: Path, text: str) -> None:
    """Write a file. Raises OutputError: it cannot be written."""
    try:
        path.write_text(text, "utf-8", "backslashreplace")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def check_no_input(path: Path, inputs: Sequence[str], option: str) -> None:
    """Raise OutputError: what an option would write is one of the inputs."""
    if path.resolve() in {Path(name).resolve() for name in inputs if name != "-"}:
        raise OutputError(f"{path} is an input: {option} would write over it")


class Aside:
    """A file that verdicts are written to beside the run, each as soon as it is there."""

    def __init__(self, path: Path, *, inputs: Sequence[str]) -> None:
        """Begin the file anew. Raises OutputError: it cannot be written, or is one of the `inputs`."""
        check_no_input(path, inputs, "--verdicts")
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error

    def write(self, lines: Iterable[str]) -> None:
        """Write lines, and flush. Raises OutputError."""
        try:
            self._file.writelines(f"{line}\n" for line in lines)
            self._file.flush()
        except OSError as error:
            raise OutputError(f"cannot write {self._file.name}: {error.strerror}") from error

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def say(message: str, *, end: str = "\n") -> None:
    """Tell a person something on stderr; whether it can be heard must not change how the run ends."""
    with contextlib.suppress(OSError, AttributeError):  # Python has no stderr at all where it was closed
        sys.stderr.write(message + end)
        sys.stderr.flush()


def on_terminal() -> bool:
    """Whether somebody looks at stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


def tell(state: str | None) -> None:
    """Tell how far something is: on a terminal over what was told before, else on its own line. None: it is over."""
    if on_terminal():
        say(f"\r\x1b[2K{(state or '')[: shutil.get_terminal_size().columns - 1]}", end="")
    elif state is not None:
        say(state)


class _Sayer(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"guard: {record.getMessage()}")


def say_what_is_logged(*, verbose: bool) -> None:
    """Let the package's own log be heard on stderr: warnings, and with `verbose` what it chooses by itself."""
    log = logging.getLogger("guardcli")
    log.handlers, log.propagate = [_Sayer()], False
    log.setLevel(logging.INFO if verbose else logging.WARNING)


def width() -> int:
    """The columns that a table on stdout may have: those of the terminal, or 120 in a pipe."""
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    return shutil.get_terminal_size().columns if on_terminal else 120


def in_colour() -> bool:
    """Colour on a terminal only; NO_COLOR and FORCE_COLOR have the last word."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout is not None and sys.stdout.isatty())
