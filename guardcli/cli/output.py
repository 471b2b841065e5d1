"""Where a command's data go: stdout as bytes, a record at a time, and an end of it that is no error."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from types import TracebackType
from typing import TextIO

from guardcli.errors import OutputError, ReaderGone
from guardcli.files.atomic import replacing
from guardcli.text.escaping import escape_controls, escape_line, escape_lines


def write(text: str) -> None:
    """Write and flush, so that a reader at the other end of a pipe has the record at once.

    Nothing that commands a terminal or reorders a line leaves by this door, wherever it came from. Line breaks do: a
    name that stands in a line is escaped (`escape_line`) where the line is made.

    Raises:
        ReaderGone: nobody reads any more.
        OutputError: it cannot be written, to a full disk for one.
    """
    write_bytes(escape_controls(text, color=in_colour()).encode())


def write_bytes(data: bytes) -> None:
    """The same of bytes, as they are: records that pass a filter, a prompt to the byte."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error
    except (OSError, AttributeError) as error:  # Python has no stdout at all where it was closed
        raise OutputError(f"cannot write to stdout: {getattr(error, 'strerror', None) or 'it is closed'}") from error


def save(path: Path, text: str) -> None:
    """Write a file whole or not at all, as `write` does. Raises OutputError: it cannot be written."""
    with replacing(path) as place:
        place.write_text(escape_controls(text), "utf-8")


def check_only_output(path: Path | None, inputs: Sequence[str | Path], option: str) -> bool:
    """Check the one output of a command; whether it is stdout: None, "-", /dev/stdout, or where the shell sends it.

    Raises:
        OutputError: it is a folder, or one of the `inputs`.
    """
    to_stdout = path is None or str(path) == "-" or _same_file(_status(path), _status_of(sys.stdout))
    if to_stdout:
        check_stdout(inputs)
    elif path is not None:
        check_no_input(path, inputs, option)
    return to_stdout


def check_outputs(outputs: Mapping[str, Path | None], inputs: Sequence[str | Path]) -> None:
    """Check what options would write, by option, before anything is opened.

    Raises:
        OutputError: one is a folder, stdout or one of the `inputs`, or two are the same file, by whatever names.
    """
    given = [(option, path) for option, path in outputs.items() if path is not None]
    for option, path in given:
        check_no_input(path, inputs, option)
    for (first, one), (second, other) in combinations(given, 2):
        if _same_place(one, other):
            raise OutputError(f"{first} and {second} would both write {other}")


def check_no_input(path: Path, inputs: Sequence[str | Path], option: str) -> None:
    """The same for one output."""
    if str(path) == "-":
        raise OutputError(f"{option} does not write to stdout: name a file")
    status = _status(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{path} is a folder: {option} writes a file")
    if _is_regular(status) and _same_file(status, _status_of(sys.stdout)):
        raise OutputError(f"stdout goes to {path} already: {option} would write over it")
    _check_no_input(str(path), status, inputs, option)


def check_stdout(inputs: Sequence[str | Path]) -> None:
    """Raise OutputError: stdout goes to one of the inputs, which would grow as it is read."""
    _check_no_input("stdout", _status_of(sys.stdout), inputs, "the command")


def _check_no_input(name: str, output: os.stat_result | None, inputs: Sequence[str | Path], writer: str) -> None:
    """Links are followed, and hard links found out; what is no regular file is not written over."""
    if not _is_regular(output):
        return
    for input_ in map(str, inputs):
        if _same_file(output, _status_of(sys.stdin) if input_ == "-" else _status(input_)):
            called = "an input" if input_ == name else f"the input {input_}"
            raise OutputError(f"{name} is {called}: {writer} would write over it")


def _same_place(one: Path, other: Path) -> bool:
    """Whether two outputs, which may not be there yet, are one file."""
    statuses = _status(one), _status(other)
    if None in statuses:
        return os.path.realpath(one) == os.path.realpath(other)
    return _is_regular(statuses[0]) and _same_file(*statuses)


def _same_file(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    return one is not None and other is not None and os.path.samestat(one, other)


def _is_regular(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISREG(status.st_mode)


def _status(path: str | Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):  # what is wrong with it is told when it is opened
        return None


def _status_of(stream: TextIO | None) -> os.stat_result | None:
    try:
        return None if stream is None else os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or none of the system's
        return None


class Aside:
    """A file that verdicts are written to beside the run, each as soon as it is there."""

    def __init__(self, path: Path, *, inputs: Sequence[str | Path]) -> None:
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


_CLEAR_LINE = "\r\x1b[2K"
_shown = False  # whether a state stands on the terminal's last line


def say(*messages: str) -> None:
    """Tell a person something on stderr, a line each; whether it can be heard must not change how the run ends.

    Names of files, policies and models stand in messages: nothing of them commands the terminal or begins a line.
    """
    say_text("".join(f"{escape_line(message)}\n" for message in messages))


def say_text(text: str) -> None:
    """The same of a text that has its line breaks: a table, a traceback."""
    if _shown:
        tell(None)
    _say(escape_lines(text))


def say_log(text: str) -> None:
    """The same of what llama.cpp logs: a line, or a part of one. A model's metadata stand in it."""
    body = text.rstrip("\n")
    say_text(escape_line(body) + text[len(body) :])


def _say(text: str) -> None:
    with contextlib.suppress(OSError, AttributeError):  # Python has no stderr at all where it was closed
        sys.stderr.write(text)
        sys.stderr.flush()


def on_terminal() -> bool:
    """Whether somebody looks at stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


def tell(state: str | None) -> None:
    """Tell how far something is: on a terminal over what was told before, else on its own line. None: it is over."""
    global _shown
    if on_terminal():
        _say(f"{_CLEAR_LINE}{escape_line(state or '')[: shutil.get_terminal_size().columns - 1]}")
        _shown = state is not None
    elif state is not None:
        say(state)


class Sayer(logging.Handler):
    """Says on stderr what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"guard: {record.getMessage()}")


def say_what_is_logged(*, verbose: bool) -> None:
    """Let the package's own log be heard on stderr: warnings, and with `verbose` what it chooses by itself."""
    log = logging.getLogger("guardcli")
    log.handlers, log.propagate = [Sayer()], False
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
