"""Unpacks the quantized weights of a small model into 16-bit floats.

On a CPU, whatever is multiplied with a quantized matrix is rounded to 8 bits first. Each shape of a batch adds up in
another order, and where a last digit makes such a rounding go the other way, all layers after it move::

    SmolLM2-135M, 14 questions about each of 20 messages     in Q4_1     in F16
    tolerance, in log-odds of "unsafe"                         0.73       0.024
    largest difference of a score, together and one by one     0.044      0.0036
    seconds, two cores without AVX-512                         11.2       5.7

A large model would not fit into memory in F16, and moves less. One of 98 MB takes 271 MB, and half a second once.
`python -m benchmarks.unpacking` measures it.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import llama_cpp

from guardcli.errors import ModelError, OutputError
from guardcli.files.atomic import atomic_write, remove_stale
from guardcli.models.cache import cache_get, cache_put, is_digest
from guardcli.models.cached_files import read_digests
from guardcli.models.llama import forget_errors, last_error

_log = logging.getLogger(__name__)

_F16 = 1  # LLAMA_FTYPE_MOSTLY_F16
_FOLDER = "unpacked"


def unpack(source: Path, target: Path, *, exclusive: bool = False) -> None:
    """Write a GGUF whose matrices are those of `source` in F16.

    Args:
        exclusive: leave a file that is there, or that another process puts there meanwhile.

    Raises:
        ModelError: llama.cpp cannot read `source`, or cannot write as much.
        OutputError: `target` cannot be written, or is there.
    """
    with atomic_write(target, exclusive=exclusive) as temporary:
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = _F16
        params.allow_requantize = True
        forget_errors()
        failed = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(temporary), ctypes.byref(params))
        if failed:
            raise ModelError(f"llama.cpp cannot unpack {source} to {target}{last_error()}", code="model/not-loaded")


@contextlib.contextmanager
def open_unpacked(source: Path, digest: str, cache: Path | None) -> Iterator[Path]:
    """The path of a model's unpacked weights, while they are loaded.

    They are kept beside `cache`, under the source's SHA-256; the cache has their own. What a killed process left there
    half written is removed an hour later. Without a cache, or where it cannot be written, they are temporary; what
    llama.cpp has mapped into memory stays.

    Raises:
        ModelError: llama.cpp cannot read `source`, or there is no room for what is unpacked.
    """
    kept = None if cache is None else _keep(source, digest, cache)
    if kept is not None:
        yield kept
        return
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-", ignore_cleanup_errors=True))
            path = Path(folder) / f"{source.stem}.f16.gguf"
            unpack(source, path)
        except (OSError, OutputError, ModelError) as error:
            raise ModelError(
                f"{source} cannot be unpacked: {error}; in F16 it is about three times as large: set XDG_CACHE_HOME or "
                "TMPDIR to a folder with room",
                code="model/not-loaded",
            ) from error
        yield path


def _keep(source: Path, digest: str, cache: Path) -> Path | None:
    """Unpack into a file that stays, unless it is there; None if that is not possible."""
    path = cache.parent / _FOLDER / f"{digest}.f16.gguf"
    try:
        remove_stale(path.parent)
        was_there = path.exists()
        if not _is_intact(path, digest, cache):
            path.parent.mkdir(parents=True, exist_ok=True)
            if was_there:
                path.unlink(missing_ok=True)
            _publish(source, path)
            cache_put(cache, _key(digest), read_digests([path], cache).whole)
    except (OSError, OutputError, ModelError) as error:
        _log.warning("%s is unpacked anew at every start: %s", source.name, error)
        return None
    return path


def _publish(source: Path, path: Path) -> None:
    """Unpack, or take what another process has put there meanwhile: it may be in use, and is not replaced."""
    try:
        unpack(source, path, exclusive=True)
    except OutputError as error:
        if error.code != "output/exists":
            raise


def _is_intact(path: Path, digest: str, cache: Path) -> bool:
    """Whether a file is there with the content that was once unpacked."""
    expected = cache_get(cache, _key(digest), valid=is_digest)
    try:
        return expected is not None and read_digests([path], cache).whole == expected
    except ModelError:
        return False


def _key(digest: str) -> str:
    return f"unpacked into F16 {digest}"
