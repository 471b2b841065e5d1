"""A loaded model: its file checked, its prompt template detected, its identity computed, its adapters applied."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from guardcli.errors import DemonstrationModelWarning, ModelError
from guardcli.models.adapter import Adapter
from guardcli.models.gguf import GgufHeader, read_header
from guardcli.models.identity import sha256
from guardcli.models.llama import LlamaModel, Offload
from guardcli.models.registry import find_model, notice_of
from guardcli.models.vocab import Vocab
from guardcli.prompts.templates import TEMPLATES, detect_template


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A loaded model. `identity` is `name@digest` with the first 12 hex digits of its SHA-256, followed by
    `+name@digest:scale` for each adapter.

    `template` names the prompt template that it was trained on. `llama` is llama.cpp's model.
    """

    path: Path
    identity: str
    template: str
    llama: LlamaModel
    vocab: Vocab

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        template: str | None = None,
        adapters: Sequence[Adapter] = (),
        offload: Offload | None = None,
        cache: Path | None = None,
    ) -> Model:
        """Load a GGUF by its path, or a bundled model by its name, and apply adapters to it.

        `template` names the prompt template, which is detected if it is left out. `cache` is a file in which digests
        are kept. A model that is for demonstration only gives a `DemonstrationModelWarning`.

        Raises:
            ModelError: the model or an adapter is missing, damaged or unknown to llama.cpp; no template can be
                detected; or an adapter was made for another model.
        """
        if notice := notice_of(path):
            warnings.warn(notice, DemonstrationModelWarning, stacklevel=2)
        path = find_model(path)
        header = read_header(path)
        if header.get_str("general.type") == "adapter":
            raise ModelError(
                f"{path} is an adapter: name the model that it changes with -m, and it with --lora",
                code="model/adapter-mismatch",
            )
        template = template or _detect(path, header)
        for adapter in adapters:
            adapter.check(path, header, template)
        adapted = (f"+{_identity(adapter.path, cache)}:{adapter.scale!r}" for adapter in adapters)
        identity = "".join((_identity(path, cache), *adapted))
        llama = LlamaModel(path, offload or Offload())
        llama.load_adapters([(adapter.path, adapter.scale) for adapter in adapters])
        kind, pre = header.get_str("tokenizer.ggml.model"), header.get_str("tokenizer.ggml.pre")
        vocab = Vocab(llama.vocab, kind, pre)
        return cls(path=path, identity=identity, template=template, llama=llama, vocab=vocab)

    def close(self) -> None:
        """Free the model; engines on it must be closed before."""
        self.vocab.close()
        self.llama.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _detect(path: Path, header: GgufHeader) -> str:
    """The name of the template that a model was trained on. Raises ModelError: it is no known guard."""
    name = header.get_str("general.name")
    template = detect_template(header.get_str("tokenizer.chat_template"), [name, path.stem])
    if template is None:
        raise ModelError(
            f"{path} ({name or path.name!r}) is no Llama Guard that guard knows: neither its chat template nor its "
            f"name says so. If it is one, name its prompt with --template ({', '.join(TEMPLATES)}).",
            code="model/unknown",
        )
    return template.name


def _identity(path: Path, cache: Path | None) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem) or "model"
    try:
        return f"{name}@{sha256(path, cache)[:12]}"
    except OSError as error:
        raise ModelError(f"cannot read {error.filename or path}: {error.strerror}", code="model/unreadable") from error
