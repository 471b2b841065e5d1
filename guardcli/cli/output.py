"""What a command writes: data to stdout and files, and messages, progress and logs to stderr.

Everything passes here, so that nothing hostile reaches a terminal, and no output overwrites an input.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from types import TracebackType
from typing import TextIO

from guardcli.errors import GuardError, OutputError, StdoutClosed, TaxonomyError, as_options
from guardcli.files.atomic import atomic_write
from guardcli.files.collisions import check_not_an_input, check_output_path, is_regular, is_same_file, status_of
from guardcli.text.escaping import escape_controls, escape_line, escape_lines, escape_terminal


def write(text: str) -> None:
    """Write text to stdout and flush, so that the next program in a pipe gets each record at once.

    Characters that control a terminal or reorder a line are escaped. Newlines are not: escape a name
    (`escape_line`) where you put it into a line.

    Raises:
        StdoutClosed: The pipe is closed.
        OutputError: It cannot be written, for example to a full disk.
    """
    write_bytes(escape_controls(text, color=use_color()).encode())


def write_bytes(data: bytes) -> None:
    """Write bytes to stdout as they are, and flush: records that pass a filter, or the exact bytes of a prompt.

    Raises:
        StdoutClosed: The pipe is closed.
        OutputError: It cannot be written.
    """
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise StdoutClosed from error
    except (OSError, AttributeError) as error:  # Python has no stdout at all where it was closed
        raise OutputError(
            f"cannot write to stdout: {getattr(error, 'strerror', None) or 'it is closed'}", code="output/not-written"
        ) from error


def write_file(path: Path, text: str) -> None:
    """Write a file atomically, escaped as by `write`. Raises OutputError if it cannot be written."""
    with atomic_write(path) as temporary:
        temporary.write_text(escape_controls(text), "utf-8")


def write_result(path: Path | None, text: str, summary: str = "") -> None:
    """Write the result of a command to a file, or to stdout if `path` is None, and report it as `report_written`.

    Raises OutputError, StdoutClosed.
    """
    if path is None:
        write(text)
    else:
        write_file(path, text)
    report_written(path, summary)


def report_written(path: Path | None, summary: str = "") -> None:
    """Say on stderr which file is written, such as `guard: wrote whole.jsonl: 4 rows`; of stdout only the summary."""
    parts = [*([] if path is None else [f"wrote {path}"]), *([summary] if summary else [])]
    if parts:
        echo_err(f"guard: {': '.join(parts)}")


def check_output(path: Path | None, inputs: Sequence[str | Path], option: str) -> bool:
    """Check the main output of a command, and return whether it is stdout.

    It is stdout if it is None, "-", /dev/stdout, or the file to which the shell redirects stdout.

    Raises:
        OutputError: It is a folder, or one of the inputs.
    """
    to_stdout = path is None or str(path) == "-" or is_same_file(status_of(path), _stream_status(sys.stdout))
    if to_stdout:
        check_stdout(inputs)
    elif path is not None:
        check_output_file(path, inputs, option)
    return to_stdout


def resolve_output(path: Path | None, inputs: Sequence[str | Path], option: str) -> Path | None:
    """Check the main output of a command as `check_output` does, and return its file, or None if it is stdout."""
    return None if check_output(path, inputs, option) else path


def check_output_files(outputs: Mapping[str, Path | None], inputs: Sequence[str | Path]) -> None:
    """Check the files that options would write, before anything is opened.

    Args:
        outputs: The path of each option, such as `{"-o": path}`; None if the option is not given.

    Raises:
        OutputError: One is a folder, stdout or one of the inputs, or two are the same file.
    """
    given = [(option, path) for option, path in outputs.items() if path is not None]
    for option, path in given:
        check_output_file(path, inputs, option)
    for (first, one), (second, other) in combinations(given, 2):
        if _same_place(one, other):
            raise OutputError(f"{first} and {second} would both write {other}", code="output/would-overwrite")


def check_output_file(path: Path, inputs: Sequence[str | Path], option: str) -> None:
    """Check a file that an option would write. Raises OutputError if it is a folder, stdout or one of the inputs."""
    if str(path) == "-":
        raise OutputError(f"{option} does not write to stdout: name a file", code="option/invalid")
    check_output_path(path, (), option)
    status = status_of(path)
    if is_regular(status) and is_same_file(status, _stream_status(sys.stdout)):
        raise OutputError(f"stdout goes to {path} already: {option} would write over it", code="output/would-overwrite")
    check_not_an_input(str(path), status, _with_statuses(inputs), option)


def check_stdout(inputs: Sequence[str | Path]) -> None:
    """Raise OutputError if stdout is redirected to one of the inputs, which would grow while it is read."""
    check_not_an_input("stdout", _stream_status(sys.stdout), _with_statuses(inputs), "the command")


def _with_statuses(inputs: Sequence[str | Path]) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield the name and the status of each input; "-" is stdin."""
    for name in map(str, inputs):
        yield name, _stream_status(sys.stdin) if name == "-" else status_of(name)


def _same_place(one: Path, other: Path) -> bool:
    """Return whether two outputs, which may not exist yet, are the same file."""
    statuses = status_of(one), status_of(other)
    if None in statuses:
        return os.path.realpath(one) == os.path.realpath(other)
    return is_regular(statuses[0]) and is_same_file(*statuses)


def _stream_status(stream: TextIO | None) -> os.stat_result | None:
    try:
        return None if stream is None else os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or without a file descriptor
        return None


class VerdictFile:
    """The file of `--save-verdicts`: rows are appended and flushed as they are judged. Use it as a context manager.

    It is reported on stderr when all rows are written.
    """

    def __init__(self, path: Path, *, inputs: Sequence[str | Path]) -> None:
        """Create or truncate the file. Raises OutputError if it cannot be written, or is one of the inputs."""
        check_output_file(path, inputs, "--save-verdicts")
        try:
            self._path, self._file = path, path.open("w", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}", code="output/not-written") from error

    def write(self, lines: Iterable[str]) -> None:
        """Write lines and flush. Raises OutputError."""
        try:
            self._file.writelines(f"{line}\n" for line in lines)
            self._file.flush()
        except OSError as error:
            raise OutputError(f"cannot write {self._file.name}: {error.strerror}", code="output/not-written") from error

    def __enter__(self) -> VerdictFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None:
            report_written(self._path)


_CLEAR_LINE = "\r\x1b[2K"
_has_progress_line = False  # whether the terminal's last line shows progress, without a newline


def echo_err(*messages: str) -> None:
    """Write messages to stderr, one per line, escaped: names of files, policies and models may be hostile.

    Settings of the library become options of the command line.

    Errors of stderr are ignored, so that a closed one does not change the exit code.
    """
    echo_err_text("".join(f"{escape_line(as_options(message))}\n" for message in messages))


def error_lines(error: GuardError) -> list[str]:
    """Return the message of an error, ready for `echo_err`, with the code at the end of its first line.

    Each problem of a taxonomy is a line with a code: `file:line:column: message [code]`, as editors read it.
    """
    if isinstance(error, TaxonomyError):
        return [as_options(f"{problem} [{problem.code}]") for problem in error.problems]
    first, *more = map(as_options, error.lines)
    return [f"{escape_terminal(first)} [{error.code}]", *map(escape_terminal, more)]


def echo_error(error: GuardError) -> None:
    """Write the message of an error to stderr."""
    first, *more = error_lines(error)
    echo_err(first if isinstance(error, TaxonomyError) else f"guard: {first}", *more)


def echo_err_text(text: str) -> None:
    """Write text of several lines to stderr, such as a table or a traceback."""
    if _has_progress_line:
        show_progress(None)
    _write_stderr(escape_lines(text))


def echo_err_log(text: str) -> None:
    """Write a line of llama.cpp's log, or a part of one, to stderr. It may quote a model's metadata."""
    body = text.rstrip("\n")
    echo_err_text(escape_line(body) + text[len(body) :])


def _write_stderr(text: str) -> None:
    with contextlib.suppress(OSError, AttributeError):  # Python has no stderr at all where it was closed
        sys.stderr.write(text)
        sys.stderr.flush()


def stderr_is_terminal() -> bool:
    """Return whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def show_progress(state: str | None) -> None:
    """Show progress on stderr: on a terminal in place of the last state, else as a line. None clears the line."""
    global _has_progress_line
    if stderr_is_terminal():
        _write_stderr(f"{_CLEAR_LINE}{escape_line(state or '')[: shutil.get_terminal_size().columns - 1]}")
        _has_progress_line = state is not None
    elif state is not None:
        echo_err(state)


class StderrHandler(logging.Handler):
    """Writes log records to stderr, escaped. A warning is written once, however many guards are opened."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._warned: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno < logging.WARNING or message not in self._warned:
            self._warned.add(message)
            echo_err(f"guard: {message}")


def show_log(*, verbose: bool) -> None:
    """Show the package's log on stderr: warnings, and with `verbose` the engine settings too."""
    log = logging.getLogger("guardcli")
    log.handlers, log.propagate = [StderrHandler()], False
    log.setLevel(logging.INFO if verbose else logging.WARNING)


def table_width() -> int:
    """Return the width of tables on stdout in columns: the terminal's, or 120 if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if stdout_is_terminal() else 120


def stdout_is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def use_color() -> bool:
    """Return whether to color stdout: on a terminal only, unless NO_COLOR or FORCE_COLOR is set."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stdout_is_terminal()
