"""Find the file that somebody may have meant by the name of one that is not there."""

from __future__ import annotations

import contextlib
import os
from difflib import SequenceMatcher
from itertools import islice

_MAX_NAMES = 1000  # of a folder that are compared
_MIN_RATIO = 0.75  # of two names without their extensions, as SequenceMatcher counts it
_COMPRESSED = (".gz", ".zst")


def similar_file(path: str) -> str | None:
    """The path in the same folder whose name is closest; None if none is close, or the folder cannot be read.

    Extensions decide between names that are alike: they make none alike.
    """
    folder, name = os.path.split(path)
    with contextlib.suppress(OSError, ValueError):
        entries = islice(os.scandir(folder or "."), _MAX_NAMES)
        names = sorted(entry.name for entry in entries if not entry.is_dir() and entry.name != name)
        alike = [other for other in names if _ratio(_stem(name), _stem(other)) >= _MIN_RATIO]
        if alike:
            return os.path.join(folder, max(alike, key=lambda other: _ratio(name, other)))
    return None


def _stem(name: str) -> str:
    """The name without its extension, or both of a compressed file.

    >>> _stem("chats.jsonl.gz"), _stem("v1.2.txt"), _stem(".env")
    ('chats', 'v1.2', '.env')
    """
    stem, extension = os.path.splitext(name)
    return os.path.splitext(stem)[0] if extension.lower() in _COMPRESSED else stem


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()
