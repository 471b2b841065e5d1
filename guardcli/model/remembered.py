"""What takes long to find out, remembered in a JSON file from one run to the next: text by key.

A memory that cannot be read or written is no error: it is found out again. It knows nothing of what it holds.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path


def recall(cache: Path | None, key: str) -> str | None:
    """What was remembered under a key, if anything was."""
    return _read(cache).get(key)


def remember(cache: Path | None, key: str, value: str) -> None:
    """Keep a value, in one step, so that another run never reads half of the file."""
    if cache is None:
        return
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        fresh = cache.with_name(f"{cache.name}.{os.getpid()}")
        fresh.write_text(json.dumps({**_read(cache), key: value}), "utf-8")
        fresh.replace(cache)


def _read(cache: Path | None) -> dict[str, str]:
    if cache is None:
        return {}
    try:
        known = json.loads(cache.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = known.items() if isinstance(known, dict) else ()
    return {key: value for key, value in found if isinstance(value, str)}
