"""`guard` as a user runs it: in this process, or as a process of its own.

`guard` calls the entry point here, with files of its own for stdin, stdout and stderr; it saves the half second that
Python, numpy and llama.cpp take to load. `launch` starts a process, for tests of what only a process has: signals,
pipes that close, a terminal, limits, the interpreter's own start and end.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import logging
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from guardcli.cli.main import main
from guardcli.models.llama import set_log_sink

GUARD = [sys.executable, "-m", "guardcli"]
CACHE = tempfile.mkdtemp(prefix="guard-tests-")
QUIET = {"GUARD_MODEL": "", "GUARD_TAXONOMY": "", "NO_COLOR": ""}


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would change the output."""
    # Digests and tolerances that are remembered are the tests' own.
    extra = {"XDG_CACHE_HOME": CACHE} | extra
    kept = {name: value for name, value in os.environ.items() if name not in {*QUIET, "FORCE_COLOR"}}
    return kept | extra


def guard(
    *arguments: str | Path, stdin: str | bytes = b"", cwd: Path | None = None, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process to its end; its output as text."""
    done = guard_bytes(*arguments, stdin=stdin, cwd=cwd, **extra)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def guard_bytes(
    *arguments: str | Path, stdin: str | bytes = b"", cwd: Path | None = None, **extra: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in this process to its end; its output as it is."""
    words = [*map(str, arguments)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with _process_state(cwd, environment(**extra)), _piped(stdin) as given, _streams(given, out, err):
            code = _exit_code(words)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


def launch(
    *arguments: str | Path, stdin: str | bytes = b"", cwd: Path | None = None, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process to its end; its output as text."""
    done = subprocess.run(
        [*GUARD, *map(str, arguments)],
        input=_bytes(stdin), capture_output=True, cwd=cwd, env=environment(**extra), timeout=300,
    )  # fmt: skip
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _exit_code(words: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@contextlib.contextmanager
def _process_state(cwd: Path | None, variables: dict[str, str]) -> Iterator[None]:
    """The folder, the environment, the log and the warnings of a new process; afterwards those of the tests again."""
    folder, before, log = os.getcwd(), dict(os.environ), logging.getLogger("guardcli")
    log_before, last_resort, traces_faults = vars(log).copy(), logging.lastResort, faulthandler.is_enabled()
    with warnings.catch_warnings():
        try:
            os.environ.clear()
            os.environ.update(variables)
            os.chdir(cwd or folder)
            yield
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(before)
            vars(log).update(log_before)
            logging.lastResort = last_resort
            logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]  # which levels are enabled
            set_log_sink(None)  # --verbose shows llama.cpp's log
            if traces_faults:  # an audit traces them to a file of its own
                faulthandler.enable()


@contextlib.contextmanager
def _streams(stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> Iterator[None]:
    before = sys.stdin, sys.stdout, sys.stderr
    texts = [io.TextIOWrapper(file, "utf-8", "backslashreplace") for file in (stdin, stdout, stderr)]
    sys.stdin, sys.stdout, sys.stderr = texts
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        for text in texts:
            text.detach()


@contextlib.contextmanager
def _piped(content: str | bytes) -> Iterator[BinaryIO]:
    """A pipe that another thread fills."""
    read, write = os.pipe()

    def fill() -> None:
        with contextlib.suppress(BrokenPipeError), open(write, "wb") as pipe:
            pipe.write(_bytes(content))

    filler = threading.Thread(target=fill)
    filler.start()
    try:
        with open(read, "rb") as pipe:
            yield pipe
    finally:
        filler.join()
