"""The models that are in the local caches: those of the Hugging Face hub and of Ollama, read by path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from guardcli import environment
from guardcli.errors import ModelError
from guardcli.models.detection import detect
from guardcli.models.hub_cache import hub_models
from guardcli.models.identity import parts_of
from guardcli.models.model_files import read_headers
from guardcli.models.model_info import quantization_name
from guardcli.models.ollama_cache import ollama_models_in
from guardcli.models.reference import HubReference
from guardcli.models.registry import REGISTRY


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model in a local cache.

    Args:
        reference: what `-m` takes for it.
        name: its name in the registry; "" if it has none.
        n_bytes: the size of its files.
        family: the prompt template that it was trained on; "" if guard does not know it as a guard.
        problem: why its files cannot be used; "" if they can.
    """

    reference: str
    name: str
    path: Path
    n_bytes: int
    quantization: str = ""
    family: str = ""
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self) | {"path": str(self.path)}


def local_models() -> Iterator[LocalModel]:
    """Every GGUF model in the local caches; only headers are read."""
    names = {repository: model.name for model in REGISTRY.values() for repository in model.repositories}
    for reference, path in chain(hub_models(environment.hub_cache()), ollama_models_in(environment.ollama_models())):
        name = names.get(reference.repository, "") if isinstance(reference, HubReference) else ""
        yield _local_model(str(reference), name, path)


def _local_model(reference: str, name: str, path: Path) -> LocalModel:
    parts = parts_of(path)
    n_bytes = sum(part.stat().st_size for part in parts if part.exists())
    try:
        headers = read_headers(parts)
    except ModelError as error:
        return LocalModel(reference=reference, name=name, path=path, n_bytes=n_bytes, problem=str(error))
    try:
        family = detect(path, headers[0]).template.name
    except ModelError:
        family = ""
    return LocalModel(
        reference=reference,
        name=name,
        path=path,
        n_bytes=n_bytes,
        quantization=quantization_name(headers),
        family=family,
    )
