"""The files that a run over folders reads, and what it leaves out.

::

    logs/a.jsonl             read
    logs/b.jsonl → a.jsonl   a link to a file: read, but once, however many names the file has
    logs/.c.jsonl, .d/       left out: hidden
    logs/e → ../elsewhere    left out: a link to a folder, unless that folder is read anyway
    logs/f → nowhere         left out: a dangling link
    logs/g (FIFO, socket, …) left out: no regular file

A file or a folder that is named itself is read, also if it is hidden or a link.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guardcli.errors import InputError
from guardcli.text.escaping import pluralize

_SPECIAL = (
    (stat.S_ISFIFO, "FIFO"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
_LINK = "link to a folder"
_PLURALS = {_LINK: "links to folders"}
_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # what a link that leads to nothing, or to itself, gives


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """Something in a folder that is not read, and what it is, such as "hidden file"."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Another name of a file or a folder that is read."""

    path: str
    read_as: str


@dataclass(frozen=True, slots=True)
class InputFiles:
    """The `paths` to read, in a fixed order, and what is not read."""

    paths: list[str]
    left_out: list[SkippedFile]
    duplicates: list[Duplicate]


@dataclass(slots=True)
class _Scan:
    """What a walk has come across so far."""

    files: list[tuple[str, os.stat_result]] = field(default_factory=list)
    folders: list[tuple[str, os.stat_result]] = field(default_factory=list)
    left_out: list[SkippedFile] = field(default_factory=list)


def expand_paths(names: Sequence[str], *, outputs: Collection[Path] = ()) -> InputFiles:
    """The files that names of files and folders mean: files as named, those of a folder sorted by path.

    `outputs` are passed over: they may lie in a folder that is read.

    Raises:
        InputError: a file or a folder is missing, cannot be read or is not a regular file, or a folder has no files.
    """
    scan = _Scan()
    own = {_location(str(path)) for path in outputs}
    for name in names:
        status = _status(name)
        if stat.S_ISDIR(status.st_mode):
            _scan_folder(Path(name), scan, own)
        elif not stat.S_ISREG(status.st_mode):
            raise InputError(
                f"{name} is not a regular file: an audit must be able to read its inputs again",
                code="input/not-regular",
            )
        elif _location(name) not in own:
            scan.files.append((name, status))
    return _input_files(scan)


def describe_skipped(left_out: Sequence[SkippedFile]) -> str:
    """How many there are of each kind: "1 FIFO, 2 hidden files"."""
    numbers = Counter(one.kind for one in left_out)
    return ", ".join(
        f"{number:,} {_PLURALS[kind]}" if number > 1 and kind in _PLURALS else pluralize(number, kind)
        for kind, number in sorted(numbers.items())
    )


def _scan_folder(folder: Path, scan: _Scan, own: Collection[str]) -> None:
    inside = _Scan()
    pending = [folder]
    while pending:
        current = pending.pop()
        inside.folders.append((str(current), _status(str(current))))
        real = os.path.realpath(current)
        for entry in _entries(current):
            if os.path.join(real, entry.name) in own:
                continue
            path = current / entry.name
            kind, status = _examined(path, entry)
            if kind is not None:
                inside.left_out.append(SkippedFile(str(path), kind))
            elif stat.S_ISDIR(status.st_mode):
                pending.append(path)
            else:
                inside.files.append((str(path), status))
    if not inside.files:
        others = f"; left out: {describe_skipped(inside.left_out)}" if inside.left_out else ""
        raise InputError(f"{folder}: the folder holds no files{others}", code="input/not-found")
    scan.files.extend(sorted(inside.files, key=lambda file: file[0]))
    scan.folders.extend(inside.folders)
    scan.left_out.extend(inside.left_out)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}", code="input/unreadable") from error


def _examined(path: Path, entry: os.DirEntry[str]) -> tuple[str | None, os.stat_result]:
    """As what an entry of a folder is left out, None if it is read, and its status."""
    try:
        status = entry.stat(follow_symlinks=False)
        if entry.name.startswith("."):
            return "hidden folder" if stat.S_ISDIR(status.st_mode) else "hidden file", status
        if not stat.S_ISLNK(status.st_mode):
            return _special(status), status
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", code="input/unreadable") from error
    try:
        status = entry.stat()
    except OSError as error:
        if error.errno in _NOWHERE:
            return "dangling link", status
        raise InputError(f"{path}: cannot be read: {error.strerror}", code="input/unreadable") from error
    return _LINK if stat.S_ISDIR(status.st_mode) else _special(status), status


def _special(status: os.stat_result) -> str | None:
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return None
    return next((kind for is_kind, kind in _SPECIAL if is_kind(status.st_mode)), "special file")


def _input_files(scan: _Scan) -> InputFiles:
    """Each file once, by its first name; what is left out, unless it is read by another name."""
    read: dict[tuple[int, ...], str] = {_identity(status): path for path, status in reversed(scan.folders)}
    paths: list[str] = []
    others: dict[str, str] = {}
    for path, status in scan.files:
        if read.setdefault(_identity(status), path) != path:
            others[path] = read[_identity(status)]
        else:
            paths.append(path)
    left_out = []
    for one in sorted(set(scan.left_out), key=lambda one: one.path):
        read_as = read.get(_identity_of(one.path))
        if read_as is None:
            left_out.append(one)
        else:
            others[one.path] = read_as
    duplicates = [Duplicate(path, name) for path, name in others.items() if _location(path) != _location(name)]
    return InputFiles(list(dict.fromkeys(paths)), left_out, duplicates)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Device and inode; of files also size and time: not every file system has inodes of its own, and a file that
    differs must be read."""
    if stat.S_ISDIR(status.st_mode):
        return status.st_dev, status.st_ino
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _identity_of(path: str) -> tuple[int, ...]:
    try:
        return _identity(os.stat(path))
    except OSError:
        return ()


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", code="input/not-found") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", code="input/unreadable") from error


def _location(path: str) -> str:
    """Where a path is, with the links of its folder resolved, but not its own: `link.jsonl` is not what it leads to."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)
