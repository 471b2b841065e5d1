"""Unpacks the quantized weights of a small model into 16-bit floats.

On a CPU, whatever is multiplied with a quantized matrix is rounded to 8 bits first. Each shape of a batch adds up in
another order, and where a last digit makes such a rounding go the other way, all layers after it move::

    SmolLM2-135M, 14 questions about each of 14 messages     in Q4_1     in F16
    tolerance, in log-odds of "unsafe"                         0.73       0.024
    largest difference between a batch and one by one          0.053      0.0014
    tokens/s on one core without AVX-512                       224        479

A large model would not fit into memory in F16, and moves less. One of 98 MB takes 271 MB, and half a second once.
`python -m benchmarks.unpacking` measures it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import llama_cpp

from guardcli.errors import ModelError, OutputError
from guardcli.files.atomic import atomic_write
from guardcli.models.llama import last_error
from guardcli.models.model_files import read_headers

_F16 = 1  # LLAMA_FTYPE_MOSTLY_F16
_FOLDER = "unpacked"


def unpack(source: Path, target: Path) -> None:
    """Write a GGUF whose matrices are those of `source` in F16.

    Raises:
        ModelError: llama.cpp cannot read `source`.
        OutputError: `target` cannot be written.
    """
    with atomic_write(target) as temporary:
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = _F16
        params.allow_requantize = True
        failed = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(temporary), ctypes.byref(params))
        if failed:
            raise ModelError(f"llama.cpp cannot unpack {source} to {target}{last_error()}", code="model/not-loaded")


@contextlib.contextmanager
def unpacked(source: Path, digest: str, cache: Path | None) -> Iterator[Path]:
    """The path of a model's unpacked weights, while they are loaded.

    They are kept beside `cache`, under the source's SHA-256. Without a cache, or where it cannot be written, they are
    temporary; what llama.cpp has mapped into memory stays.

    Raises:
        ModelError: llama.cpp cannot read `source`, or there is no room for what is unpacked.
    """
    kept = None if cache is None else _keep(source, cache.parent / _FOLDER / f"{digest}.f16.gguf")
    if kept is not None:
        yield kept
        return
    try:
        temporary = tempfile.TemporaryDirectory(prefix="guard-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_room(source, error) from error
    with temporary as folder:
        path = Path(folder) / f"{source.stem}.f16.gguf"
        try:
            unpack(source, path)
        except OutputError as error:
            raise _no_room(source, error) from error
        yield path


def _no_room(source: Path, error: Exception) -> ModelError:
    return ModelError(f"{source} cannot be unpacked: {error}", code="model/not-loaded")


def _keep(source: Path, path: Path) -> Path | None:
    """Unpack into a file that stays, unless it is there; None if that is not possible."""
    try:
        if not _is_whole(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            unpack(source, path)
    except (OSError, OutputError, ModelError):
        return None
    return path


def _is_whole(path: Path) -> bool:
    """Whether there is a model with all of its tensors."""
    try:
        read_headers([path])
    except ModelError:
        return False
    return True
