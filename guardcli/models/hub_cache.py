"""The cache of the Hugging Face hub, read by path: which GGUF models are in it.

models--OWNER--REPO/
  refs/main                        the commit that this name stood for
  snapshots/<commit>/model.gguf    a link to ../../blobs/<sha256>
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from guardcli.models.identity import is_first_part
from guardcli.models.reference import HubReference

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NOT_MODELS = re.compile(r"mmproj|imatrix", re.IGNORECASE)
_MAX_REF_BYTES = 256


def find_in_hub_cache(reference: HubReference, cache: Path) -> dict[str, Path]:
    """The models that a reference stands for, by their path in the repository; of a split one the first file.

    Without a revision it is that of `main`, or else any other that is there: a folder that was copied by hand may have
    no `refs`.
    """
    folder = _folder(reference.repository, cache)
    for snapshots in _snapshots(folder, reference.revision):
        models = {name: path for snapshot in snapshots for name, path in _models_in(snapshot, reference.file)}
        if models:
            return models
    return {}


def hub_models(cache: Path) -> Iterator[tuple[HubReference, Path]]:
    """Every GGUF model in the cache, in the snapshots that a reference without a revision stands for."""
    for folder in sorted(cache.glob("models--*--*")):
        repository = "/".join(folder.name.split("--", 2)[1:])
        for file, path in sorted(find_in_hub_cache(HubReference(repository), cache).items()):
            yield HubReference(repository, file), path


def is_model_file(file: str) -> bool:
    """Whether the path of a file in a repository is that of a language model in GGUF."""
    return file.endswith(".gguf") and not _NOT_MODELS.search(file)


def _folder(repository: str, cache: Path) -> Path:
    return cache / f"models--{repository.replace('/', '--')}"


def _snapshots(folder: Path, revision: str | None) -> Iterator[list[Path]]:
    """Snapshots to look into, the first choice first."""
    if revision is not None:
        yield [folder / "snapshots" / (_commit(folder, revision) or revision)]
        return
    if commit := _commit(folder, "main"):
        yield [folder / "snapshots" / commit]
    yield sorted(folder.glob("snapshots/*"))


def _commit(folder: Path, revision: str) -> str | None:
    """The commit that a branch or tag stood for when it was downloaded."""
    try:
        with (folder / "refs" / revision).open("rb") as file:
            commit = file.read(_MAX_REF_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return None
    return commit if _COMMIT.fullmatch(commit) else None


def _models_in(snapshot: Path, file: str | None) -> Iterator[tuple[str, Path]]:
    if file is not None:
        if (snapshot / file).exists():
            yield file, snapshot / file
        return
    for path in sorted(snapshot.rglob("*.gguf")):
        name = str(path.relative_to(snapshot))
        if is_model_file(name) and is_first_part(path.name):
            yield name, path
