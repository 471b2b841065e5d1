"""Files whose names say what they contain: the blobs of the Hugging Face cache, and those of Ollama.

    hub/models--OWNER--REPO/blobs/<sha256>     links lead to it from snapshots/<commit>/
    .ollama/models/blobs/sha256-<sha256>

A file there that has another digest was damaged or tampered with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from guardcli.errors import ModelError
from guardcli.models.identity import Digests, file_digests

_MAX_LINKS = 40  # as in Linux
_BLOB = re.compile(r"(?:sha256-)?([0-9a-f]{64})")


def named_digest(path: Path) -> str | None:
    """The SHA-256 that a file's place in a cache says, or that of one that it links to; None if none says it."""
    for _ in range(_MAX_LINKS):
        match = _BLOB.fullmatch(path.name) if path.parent.name == "blobs" else None
        if match:
            return match[1]
        if not path.is_symlink():
            return None
        path = Path(os.path.abspath(path.parent.resolve() / path.readlink()))
    return None


def read_digests(parts: Sequence[Path], cache: Path | None = None) -> Digests:
    """Compute the digests of a model's files, and compare them with what their places say. `cache` is a file in which
    digests are kept.

    Raises:
        ModelError: a file cannot be read, or has another content than its name says.
    """
    try:
        digests = file_digests(parts, cache)
    except OSError as error:
        raise ModelError(
            f"cannot read {error.filename or parts[0]}: {error.strerror}", code="model/unreadable"
        ) from error
    _check_names(parts, digests)
    return digests


def _check_names(paths: Sequence[Path], digests: Digests) -> None:
    for path, digest in zip(paths, digests.parts, strict=True):
        expected = named_digest(path)
        if expected is not None and digest != expected:
            raise ModelError(
                f"{path} was damaged or changed in the cache: expected the SHA-256 "
                f"{expected[:12]}…, got {digest[:12]}…; delete {path.resolve()} and download it again",
                code="model/digest-mismatch",
            )
