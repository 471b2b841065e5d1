"""On-disk cache for values that are slow to compute: digests of models, and their tolerances.

The file is JSON, text by key. It may hold anything: it is read only if it is a regular file of a bounded size, and a
value is used only if it is valid. A cache that cannot be read or written is ignored: its values are computed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from guardcli.errors import OutputError
from guardcli.files.atomic import atomic_write
from guardcli.files.regular import open_regular

_MAX_BYTES = 1 << 20  # of the file
_MAX_ENTRIES = 500  # the newest ones are kept
_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,40})?(e-[0-9]{1,3})?")  # as `repr` writes a finite float below 10,000
_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_number(value: str) -> bool:
    """Whether this is a finite number from 0 to 9,999, as Python writes it."""
    return _NUMBER.fullmatch(value) is not None


def is_digest(value: str) -> bool:
    """Whether this is a SHA-256 as 64 hex digits."""
    return _DIGEST.fullmatch(value) is not None


def cache_get(cache: Path | None, key: str, *, valid: Callable[[str], bool] = is_number) -> str | None:
    """Return the cached value of a key; None if there is none, or none that is `valid`."""
    value = _read(cache).get(key)
    return value if value is not None and valid(value) else None


def cache_put(cache: Path | None, key: str, value: str) -> None:
    """Cache a value. The file is replaced in one step, so that another run never reads half of it."""
    if cache is None:
        return
    values = _read(cache)
    values.pop(key, None)
    text = json.dumps(dict([*values.items(), (key, value)][-_MAX_ENTRIES:]))
    if len(text) > _MAX_BYTES:
        text = json.dumps({key: value})
    with contextlib.suppress(OSError, OutputError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        _clear(cache)
        with atomic_write(cache) as place:
            place.write_text(text, "ascii")


def _clear(cache: Path) -> None:
    """Remove what is not a regular file. What a link leads to stays as it is: it may be anybody's."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(cache).st_mode):
            cache.unlink()


def _read(cache: Path | None) -> dict[str, str]:
    if cache is None:
        return {}
    try:
        with open_regular(cache) as file:
            content = file.read(_MAX_BYTES + 1) or b""  # None: a file of /proc that has nothing to say yet
        values = json.loads(content) if len(content) <= _MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    items = values.items() if isinstance(values, dict) else ()
    return {key: value for key, value in items if isinstance(value, str)}
