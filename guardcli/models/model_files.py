"""The files of a model: the headers of all its parts, checked to be those of one language model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from guardcli.errors import ModelError
from guardcli.models.gguf import GgufHeader, read_header
from guardcli.text.lists import join_words

_MAX_NAMED = 5  # missing files


def read_headers(parts: Sequence[Path], *, whole_arrays: Collection[str] = ()) -> list[GgufHeader]:
    """Read and check the headers of a model's files, given in order. The metadata are in the first one, which keeps the
    arrays with the keys `whole_arrays`, however large they are.

    Raises:
        ModelError: a file is missing, unreadable or damaged, or holds something other than a language model.
    """
    if len(parts) > 1 and (missing := [part.name for part in parts if not part.exists()]):
        named = join_words(missing, limit=_MAX_NAMED)
        raise ModelError(
            f"{parts[0]} is a model of {len(parts):,} files, of which {named} "
            f"{'is' if len(missing) == 1 else 'are'} missing: download them into the same folder",
            code="model/incomplete",
        )
    first = read_header(parts[0], whole_arrays=whole_arrays)
    _check_is_model(parts[0], first)
    count = first.get_int("split.count") or 1
    if count > 1 and len(parts) == 1:
        raise ModelError(
            f"{parts[0]} is part {(first.get_int('split.no') or 0) + 1} of a model of {count} files, and its name does "
            f"not say so: keep the names that llama.cpp gave them, …-00001-of-{count:05}.gguf",
            code="model/incomplete",
        )
    return [first, *map(read_header, parts[1:])]


def _check_is_model(path: Path, header: GgufHeader) -> None:
    kind = header.get_str("general.type")
    if kind == "adapter":
        raise ModelError(
            f"{path} is an adapter: name the model that it changes with ModelConfig.model, and the adapter with "
            "ModelConfig.adapters",
            code="model/adapter-mismatch",
        )
    if kind == "imatrix":
        raise ModelError(
            f"{path} is an importance matrix, from which quantizations are made: name a model", code="model/unsupported"
        )
    if kind == "mmproj" or header.get_str("general.architecture") == "clip":
        raise ModelError(f"{path} is a projector for images, not a language model", code="model/unsupported")
