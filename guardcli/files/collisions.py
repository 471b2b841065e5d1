"""Outputs that would overwrite a file that is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from guardcli.errors import OutputError


def check_output_path(path: Path, inputs: Sequence[str | Path], option: str) -> None:
    """Check a file that an option would write. Raises OutputError if it is a folder or one of the inputs."""
    status = status_of(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{path} is a folder: {option} writes a file", code="output/not-regular")
    check_not_an_input(str(path), status, ((str(name), status_of(name)) for name in inputs), option)


def check_not_an_input(
    name: str, output: os.stat_result | None, inputs: Iterable[tuple[str, os.stat_result | None]], writer: str
) -> None:
    """Raise OutputError if a regular file is also an input, by any path, symbolic link or hard link.

    Args:
        name: what the output is called.
        output: its status; None if it does not exist.
        inputs: the name and the status of each input.
        writer: what would write over it, such as "-o".
    """
    if not is_regular(output):
        return
    for input_name, status in inputs:
        if is_same_file(output, status):
            called = "an input" if input_name == name else f"the input {input_name}"
            raise OutputError(f"{name} is {called}: {writer} would write over it", code="output/would-overwrite")


def is_same_file(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    """Return whether two statuses are of one file."""
    return one is not None and other is not None and os.path.samestat(one, other)


def is_regular(status: os.stat_result | None) -> bool:
    """Return whether a status is of a regular file."""
    return status is not None and stat.S_ISREG(status.st_mode)


def status_of(path: str | Path) -> os.stat_result | None:
    """Return the status of a file; None if it does not exist: opening it reports the error."""
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None
