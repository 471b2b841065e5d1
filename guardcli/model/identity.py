"""A model's identity is its content: the SHA-256 of its file or files, remembered while they do not change.

It knows the file system, and nothing of what is in a model.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from guardcli.model.remembered import recall, remember

_SPLIT = re.compile(r"(.*-)\d{5}(-of-(\d{5})\.gguf)")


def sha256(path: Path, cache: Path | None = None) -> str:
    """The SHA-256 of a model as 64 hex digits; of a split model, over all its files in order.

    `cache` is a JSON file of digests by path, size, time of change and inode: 8 GB are read once only.

    Raises:
        OSError: a file cannot be read. (A cache that cannot be read or written is no error.)
    """
    parts = parts_of(path)
    key = json.dumps([_stamp(part) for part in parts])
    known = recall(cache, key)
    if known is not None:
        return known
    digest = hashlib.sha256()
    for part in parts:
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    remember(cache, key, digest.hexdigest())
    return digest.hexdigest()


def parts_of(path: Path) -> list[Path]:
    """The files of a model in their order: several if it is a split one, of which any may be named."""
    match = _SPLIT.fullmatch(path.name)
    if not match:
        return [path]
    before, after, count = match.groups()
    parts = [path.with_name(f"{before}{number:05}{after}") for number in range(1, int(count) + 1)]
    return parts if path in parts else [path]


def _stamp(path: Path) -> list[str | int]:
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino]
