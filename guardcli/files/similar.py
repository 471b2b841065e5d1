"""Find the file that somebody may have meant by the name of one that is not there."""

from __future__ import annotations

import contextlib
import os
from difflib import get_close_matches
from itertools import islice

_MAX_NAMES = 1000  # of a folder that are compared


def similar_file(path: str) -> str | None:
    """The path in the same folder whose name is closest; None if none is close, or the folder cannot be read."""
    folder, name = os.path.split(path)
    with contextlib.suppress(OSError, ValueError):
        names = [entry.name for entry in islice(os.scandir(folder or "."), _MAX_NAMES)]
        if closest := get_close_matches(name, names, n=1):
            return os.path.join(folder, closest[0])
    return None
