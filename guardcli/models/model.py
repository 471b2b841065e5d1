"""A loaded model: its file checked, its prompt template detected, its identity computed, its adapters applied."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from guardcli.errors import ModelError, SmallModelWarning
from guardcli.models.adapter import Adapter
from guardcli.models.cached_files import named_digest, read_digests
from guardcli.models.detection import detect
from guardcli.models.gguf import GgufHeader
from guardcli.models.identity import parts_of
from guardcli.models.llama import LlamaModel, Offload
from guardcli.models.lookup import bundled_adapters, check_base, find_model, is_bundled
from guardcli.models.model_files import read_headers
from guardcli.models.registry import UNPACKED_MARK, notice_of
from guardcli.models.unpacking import open_unpacked
from guardcli.models.vocab import Vocab

_log = logging.getLogger(__name__)


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
        """Load a model by its path, or by what else `find_model` takes, and apply adapters to it.

        `template` names the prompt template. Left out, it is detected, or for a model that is no guard by itself it is
        the one that its adapters were trained for. A bundled model has an adapter of its own, which comes before
        others, is judged with in F16, and gives a `SmallModelWarning`. `cache` is a file in which digests are kept, and
        beside which the F16 weights are.

        Raises:
            ModelError: the model or an adapter is missing, damaged or unknown to llama.cpp; no template can be
                detected; or an adapter was made for another model or template.
        """
        named, parts = path, parts_of(find_model(path))
        path, adapters = parts[0], (*bundled_adapters(named), *adapters)
        header = read_headers(parts)[0]
        digest = read_digests(parts, cache).whole
        check_base(named, digest)
        template = template or _detect_template(path, header, adapters)
        for adapter in adapters:
            adapter.check(path, header, template)
        if notice := notice_of(named):
            warnings.warn(notice, SmallModelWarning, stacklevel=2)
        adapted = (f"+{_identity(adapter.path, cache)}:{adapter.scale!r}" for adapter in adapters)
        with open_unpacked(path, digest, cache) if is_bundled(named) else nullcontext(path) as weights:
            llama = LlamaModel(weights, offload or Offload())
        own = _identity(path, cache, header.get_str("general.name"), mark=UNPACKED_MARK if is_bundled(named) else "")
        identity = "".join((own, *adapted))
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


def _detect_template(path: Path, header: GgufHeader, adapters: Sequence[Adapter]) -> str:
    """The name of the template that a model is judged with; a doubt about it is logged."""
    detected = detect(path, header, adapters)
    if detected.doubt:
        _log.warning("%s: %s", path, detected.doubt)
    return detected.template.name


def is_guard(path: str | Path) -> bool:
    """Whether a model, by its path or by what else `find_model` takes, is a guard without an adapter by `--lora`.

    Raises:
        ModelError: it is missing or damaged.
    """
    parts = parts_of(find_model(path))
    try:
        detect(parts[0], read_headers(parts)[0], bundled_adapters(path))
    except ModelError as error:
        if error.code != "model/unknown":
            raise
        return False
    return True


def _identity(path: Path, cache: Path | None, name: str = "", mark: str = "") -> str:
    """A file's name and digest; of one that is called by its digest, as Ollama's are, the model's own `name`.

    `mark` follows the name.
    """
    stem = name if named_digest(path) == path.name.removeprefix("sha256-") else path.stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem) or "model"
    return f"{name}{mark}@{read_digests(parts_of(path), cache).whole[:12]}"
