"""A model's identity: the SHA-256 of its file or files, cached as long as they do not change."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from guardcli.files.regular import open_regular, stat_regular
from guardcli.models.cache import cache_get, cache_put, is_digest

Stamp: TypeAlias = tuple[str, int, int, int, int]

_CLOCK_TICK = 0.05  # seconds; the clock of a file system moves on every 1 to 10 ms
_SPLIT_NAME = re.compile(r"(.*-)\d{5}(-of-(\d{5})\.gguf)")


class Digests(NamedTuple):
    """SHA-256 digests of a model, as 64 hex digits: over all its files in order, and of each."""

    whole: str
    parts: tuple[str, ...]


def file_digests(parts: Sequence[Path], cache: Path | None = None) -> Digests:
    """The digests of a model's files, given in order.

    `cache` is a JSON file of digests by path, size, inode and the times of change: 8 GB are read once only.

    Raises:
        OSError: a file cannot be read, or is not a regular one. (A cache that cannot be read or written is ignored.)
    """
    stamps = [_stamp(part) for part in parts]
    cached = [cache_get(cache, _key(key), valid=is_digest) for key in (stamps, *([stamp] for stamp in stamps))]
    if None not in cached:
        whole, *others = filter(None, cached)
        return Digests(whole, tuple(others))
    if cache is not None:
        stamps = _stable_stamps(parts)
    digests = _read(parts)
    if stamps == [_stamp(part) for part in parts]:  # or it changed while it was read
        for stamp, digest in zip(stamps, digests.parts, strict=True):
            cache_put(cache, _key([stamp]), digest)
        if len(parts) > 1:
            cache_put(cache, _key(stamps), digests.whole)
    return digests


def _read(parts: Sequence[Path]) -> Digests:
    whole, digests = hashlib.sha256(), []
    for part in parts:
        digest = hashlib.sha256() if len(parts) > 1 else whole
        with open_regular(part) as file:
            while block := file.read(1 << 20):
                whole.update(block)
                if digest is not whole:
                    digest.update(block)
        digests.append(digest.hexdigest())
    return Digests(whole.hexdigest(), tuple(digests))


def parts_of(path: Path) -> list[Path]:
    """The files of a model in their order: several if it is a split one, of which any may be named."""
    names = part_names(path.name)
    return [path] if len(names) == 1 else [path.with_name(name) for name in names]


def part_names(name: str) -> list[str]:
    """The names of a model's files in their order, by that of any of them.

    >>> part_names("m-00002-of-00002.gguf")
    ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf']
    """
    match = _SPLIT_NAME.fullmatch(name)
    if not match:
        return [name]
    before, after, count = match.groups()
    names = [f"{before}{number:05}{after}" for number in range(1, int(count) + 1)]
    return names if name in names else [name]


def is_first_part(name: str) -> bool:
    """Whether a file is a model's only or first one, by its name."""
    return part_names(name)[0] == name


def _stamp(path: Path) -> Stamp:
    """Return the metadata of a file that changes whenever its content does.

    Only the ctime cannot be set: a model that is replaced in place may have the size and the mtime of the old one, by
    `rsync -t --inplace`, `touch -r` or a build with SOURCE_DATE_EPOCH.
    """
    status = stat_regular(path)
    return str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns


def _key(stamps: Sequence[Stamp]) -> str:
    return json.dumps(["sha256 2", *stamps])


def _stable_stamps(parts: Sequence[Path]) -> list[Stamp]:
    """The stamps, once every later change gives others: two changes within a tick of the kernel have one ctime."""
    age = time.time() - max(part.stat().st_ctime_ns for part in parts) / 1e9
    if age < _CLOCK_TICK:
        time.sleep(_CLOCK_TICK)
    return [_stamp(part) for part in parts]
