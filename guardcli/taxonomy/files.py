"""Find taxonomy files, and read their text."""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from guardcli.errors import Problem, TaxonomyCode, TaxonomyError
from guardcli.files.regular import open_regular
from guardcli.files.similar import similar_file
from guardcli.taxonomy.problems import suggestion
from guardcli.text.quoting import quote

_MAX_BYTES = 1 << 20  # bytes; the longest bundled file has 5 KiB
_DESCRIPTOR = re.compile(r"/dev/fd/\d+|/proc/self/fd/\d+|/dev/stdin")
_PACKAGE = Path(__file__).parents[1]


def bundled_taxonomies() -> tuple[str, ...]:
    """The names of the taxonomies that come with the package, sorted."""
    return tuple(sorted(path.stem for path in _bundled_folder().glob("*.yaml")))


def bundled_name(path: str) -> str | None:
    """The name of the bundled taxonomy that a file is; None for any other file."""
    return Path(path).stem if _real_path(Path(path)).parent == _real_path(_bundled_folder()) else None


def find_file(name: str, relative_to: Path = Path()) -> Path | None:
    """The file that `name` means: a bundled one, or a path relative to `relative_to`; None if it is neither.

    A bundled name wins over a file of the same name, so that no stray file changes what a name stands for.
    """
    if name in bundled_taxonomies():
        return _bundled_folder() / f"{name}.yaml"
    path = relative_to / name
    is_path = os.sep in name or name.endswith((".yaml", ".yml")) or os.path.isfile(path)
    return path if is_path else None


def unknown_name_message(name: str) -> str:
    """The message for a name that `find` does not know."""
    near = suggestion(name, bundled_taxonomies()) or "a file needs a path, such as ./policy.yaml;"
    return f"there is no taxonomy {quote(name)}: {near} built-in ones are {', '.join(bundled_taxonomies())}"


def read_text(path: Path, *, descriptors: bool = True) -> str:
    """The text of a regular file, or of a pipe that is open already, as `-t <(make-policy)` names one.

    Args:
        descriptors: Whether paths such as /dev/fd/63 may lead to a pipe.

    Raises:
        TaxonomyError: it cannot be opened, is not a regular file, is too large, or is not UTF-8.
    """
    try:
        with _open_file(path, descriptors=descriptors) as file:
            data = file.read(_MAX_BYTES + 1) or b""
    except FileNotFoundError as error:
        similar = similar_file(str(path))
        advice = f"; did you mean {similar}?" if similar else ""
        raise _unreadable(path, f"no such file{advice}", 0, 0, code="taxonomy/unreadable") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise _unreadable(path, f"cannot be read: {reason}", 0, 0, code="taxonomy/unreadable") from error
    if len(data) > _MAX_BYTES:
        raise _unreadable(path, "is larger than 1 MiB: share parts with `extends`", code="taxonomy/too-large")
    return _decode(path, data)


def is_descriptor(path: str) -> bool:
    """Whether a path names an open file, and so none that has a folder."""
    return bool(_DESCRIPTOR.fullmatch(path))


def is_within(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a path leads to a file below one of the folders, once all links are followed."""
    target = _real_path(path)
    return any(target.is_relative_to(_real_path(folder)) for folder in folders)


def _real_path(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _open_file(path: Path, *, descriptors: bool) -> BinaryIO:
    if descriptors and is_descriptor(str(path)) and stat.S_ISFIFO(os.stat(path).st_mode):
        descriptor = os.open(
            path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        )  # a FIFO that nobody writes is not awaited
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    return open_regular(path)


def _decode(path: Path, data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _unreadable(path, "is UTF-16: save it as UTF-8", code="taxonomy/unreadable")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise _unreadable(
            path, f"is not UTF-8 in line {line}: save it as UTF-8", line, column, code="taxonomy/unreadable"
        ) from error


def _unreadable(path: Path, message: str, line: int = 1, column: int = 1, *, code: TaxonomyCode) -> TaxonomyError:
    return TaxonomyError(Problem(str(path), line, column, message, code))


def _bundled_folder() -> Path:
    """In an installed package beside the code; in a checkout one folder up, where people look for them."""
    inside = _PACKAGE / "taxonomies"
    return inside if inside.is_dir() else _PACKAGE.parent / "taxonomies"
