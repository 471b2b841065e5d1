"""A GGUF as guard sees it: checked, identified by its content, its generation known, its vocabulary at hand.

It knows the file and llama.cpp's model; evaluating is the engine's work.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from guardcli.errors import ModelError
from guardcli.models import known
from guardcli.models.adapter import Adapter
from guardcli.models.generation import detect
from guardcli.models.gguf import read_header
from guardcli.models.identity import sha256
from guardcli.models.llama import Gpu, NativeModel, Offload, keep_log
from guardcli.models.vocab import ControlFromText, Vocab

__all__ = ["Adapter", "ControlFromText", "Gpu", "Model", "Offload", "Vocab", "keep_log"]


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model. `identity` is `name@digest`, the first 12 hex digits of its SHA-256, and for each adapter on it
    `+name@digest:scale`.

    `generation` names the template that it was trained on, as `generation` detects it.
    """

    path: Path
    identity: str
    generation: str
    native: NativeModel
    vocab: Vocab

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        generation: str | None = None,
        adapters: Sequence[Adapter] = (),
        offload: Offload | None = None,
        cache: Path | None = None,
    ) -> Model:
        """Load a GGUF by its path, or a known model by its name, with adapters on it. `generation` says what it is
        where the file does not; `cache` is a file that remembers digests.

        Raises:
            ModelError: missing, damaged, unknown to llama.cpp, or no Llama Guard as far as the file says; or an adapter
                is all this, or was made for another model.
        """
        path = known.find(path)
        header = read_header(path)
        if header.text("general.type") == "adapter":
            raise ModelError(f"{path} is an adapter: name the model that it changes with -m, and it with --lora")
        generation = generation or detect(path, header)
        for adapter in adapters:
            adapter.check(path, header, generation)
        adapted = (f"+{_identity(adapter.path, cache)}:{adapter.scale!r}" for adapter in adapters)
        identity = "".join((_identity(path, cache), *adapted))
        native = NativeModel(path, offload or Offload())
        native.adapt([(adapter.path, adapter.scale) for adapter in adapters])
        kind, pre = header.text("tokenizer.ggml.model"), header.text("tokenizer.ggml.pre")
        return cls(path, identity, generation, native, Vocab(native.vocab, kind, pre))

    def close(self) -> None:
        """Free the model; engines on it must be closed before."""
        self.vocab.close()
        self.native.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _identity(path: Path, cache: Path | None) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem) or "model"
    try:
        return f"{name}@{sha256(path, cache)[:12]}"
    except OSError as error:
        raise ModelError(f"cannot read {error.filename or path}: {error.strerror}") from error
