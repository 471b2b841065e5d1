"""Ollama's models, read from its manifests and blobs: its server is never asked.

manifests/HOST/NAMESPACE/NAME/TAG    JSON: the layers of a model, each with its digest
blobs/sha256-<digest>
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from guardcli.errors import ModelError
from guardcli.files.regular import open_regular
from guardcli.models.reference import OllamaReference

_NAMESPACE = "library"  # of the models that Ollama itself publishes
_MODEL_LAYER = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_MAX_MANIFEST_BYTES = 1 << 20


def find_in_ollama(reference: OllamaReference, models: Path) -> list[Path]:
    """The file of a model, [] if it is not there: from every host that has one of this name.

    Raises:
        ModelError: its manifest is damaged, or its weights are missing.
    """
    *before, name = reference.name.split("/")
    namespace = before.pop() if before else _NAMESPACE
    hosts = [models / "manifests" / before[0]] if before else sorted(models.glob("manifests/*"))
    manifests = [host / namespace / name / reference.tag for host in hosts]
    return [_weights(manifest, models) for manifest in manifests if manifest.is_file()]


def ollama_tags(reference: OllamaReference, models: Path) -> list[str]:
    """The tags of a model that are there."""
    return sorted(
        {other.tag for other, _ in _manifests(models) if _short_name(other.name) == _short_name(reference.name)}
    )


def ollama_models_in(models: Path) -> Iterator[tuple[OllamaReference, Path]]:
    """Every model whose weights are there."""
    for reference, manifest in _manifests(models):
        try:
            yield OllamaReference(_short_name(reference.name), reference.tag), _weights(manifest, models)
        except ModelError:  # raised again where somebody asks for it
            continue


def _manifests(models: Path) -> Iterator[tuple[OllamaReference, Path]]:
    for manifest in sorted(models.glob("manifests/*/*/*/*")):
        host, namespace, name, tag = manifest.parts[-4:]
        yield OllamaReference(f"{host}/{namespace}/{name}", tag), manifest


def _short_name(name: str) -> str:
    """A name as it is mostly written: without a host, and without Ollama's own namespace."""
    *before, last = name.split("/")
    return last if not before or before[-1] == _NAMESPACE else f"{before[-1]}/{last}"


def _weights(manifest: Path, models: Path) -> Path:
    digests = [match[1] for layer in _layers(manifest) if (match := _DIGEST.fullmatch(layer))]
    if len(digests) != 1:
        raise ModelError(f"{manifest} is damaged: expected one layer of weights", code="model/damaged")
    blob = models / "blobs" / f"sha256-{digests[0]}"
    if not blob.exists():
        raise ModelError(f"{blob} is missing, which {manifest} names: pull the model again", code="model/incomplete")
    return blob


def _layers(manifest: Path) -> list[str]:
    """The digests of the layers that hold weights."""
    try:
        with open_regular(manifest) as file:
            content: Any = json.loads(file.read(_MAX_MANIFEST_BYTES))
        return [str(layer["digest"]) for layer in content["layers"] if layer["mediaType"] == _MODEL_LAYER]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{manifest} is damaged: it is not an Ollama manifest", code="model/damaged") from error
