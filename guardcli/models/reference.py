"""What `-m` takes besides a path: a registered name, a model on the hub, or one of Ollama's.

llama-guard-3-8b  llama-guard-3-8b:Q8_0
hf:OWNER/REPO  hf:OWNER/REPO/FILE  hf:OWNER/REPO@REVISION
ollama:NAME  ollama:NAME:TAG  ollama:NAMESPACE/NAME:TAG
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from guardcli.errors import ModelError
from guardcli.models.registry import REGISTRY, RegisteredModel

_HUB, _OLLAMA = "hf:", "ollama:"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_PATH = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[^/\0]+(?:/[^/\0]+)*")  # without `.` and `..`
_OLLAMA_NAME = re.compile(r"((?:[\w][\w.-]*/){0,2}[\w][\w.-]*)(?::([\w][\w.-]*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubReference:
    """A model on the Hugging Face hub; `file` and `revision` are left open if None."""

    repository: str
    file: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{_HUB}{self.repository}{file}{revision}"


@dataclass(frozen=True, slots=True)
class OllamaReference:
    """A model of Ollama's. `name` has up to two names before it: of a host, and of a user there."""

    name: str
    tag: str

    def __str__(self) -> str:
        return f"{_OLLAMA}{self.name}:{self.tag}"


@dataclass(frozen=True, slots=True)
class RegisteredReference:
    """A model of the registry, in any quantization if it is None."""

    model: RegisteredModel
    quantization: str | None = None

    def __str__(self) -> str:
        return f"{self.model.name}:{self.quantization}" if self.quantization else self.model.name


Reference: TypeAlias = "HubReference | OllamaReference | RegisteredReference"


def parse_reference(text: str) -> Reference | None:
    """Parse what names a model; None if it is the path of a file.

    >>> parse_reference("hf:a/b/c.gguf@main")
    HubReference(repository='a/b', file='c.gguf', revision='main')
    >>> parse_reference("./hf:a/b")  # a path

    Raises:
        ModelError: it begins like a reference, and is not a valid one.
    """
    if text.startswith(_HUB):
        return _hub_reference(text)
    if text.startswith(_OLLAMA):
        return _ollama_reference(text)
    name, _, quantization = text.partition(":")
    if name in REGISTRY:
        return RegisteredReference(REGISTRY[name], quantization.upper() or None)
    return None


def _hub_reference(text: str) -> HubReference:
    rest, at, revision = text.removeprefix(_HUB).partition("@")
    parts = rest.split("/", 2)
    repository, file = "/".join(parts[:2]), parts[2] if len(parts) > 2 else None
    if (
        not _REPOSITORY.fullmatch(repository)
        or (file is not None and not _PATH.fullmatch(file))
        or (at and not _PATH.fullmatch(revision))
    ):
        raise ModelError(
            f"invalid model {text!r}; expected hf:OWNER/REPO, hf:OWNER/REPO/FILE or hf:OWNER/REPO/FILE@REVISION",
            code="model/not-found",
        )
    return HubReference(repository, file, revision or None)


def _ollama_reference(text: str) -> OllamaReference:
    match = _OLLAMA_NAME.fullmatch(text.removeprefix(_OLLAMA))
    if match is None or ".." in match[1].split("/"):
        raise ModelError(f"invalid model {text!r}; expected ollama:NAME or ollama:NAME:TAG", code="model/not-found")
    return OllamaReference(match[1], match[2] or "latest")
