"""The base model of a training run: a folder of Hugging Face weights, or a GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from guardcli.training.config import WeightType
from guardcli.training.gguf_base import GgufBase
from guardcli.training.huggingface_base import HuggingFaceBase
from guardcli.training.tokenizer import Tokenizer


class BaseModel(Protocol):
    """Weights to train an adapter for, not loaded yet.

    `files` are the files that loading may read. `num_heads` and `num_kv_heads` are the numbers of attention heads and
    of key-value heads of each layer.
    """

    @property
    def path(self) -> Path: ...

    @property
    def num_heads(self) -> int: ...

    @property
    def num_kv_heads(self) -> int: ...

    @property
    def files(self) -> list[Path]: ...

    def load(self, device: str, dtype: WeightType) -> Any:
        """Load a `transformers.LlamaForCausalLM` on "cpu" or "cuda", with weights of that type.

        Raises:
            ModelError: a file is damaged.
        """

    def tokenizer(self) -> Tokenizer:
        """Load the vocabulary.

        Raises:
            ModelError: it is missing or damaged, or not that of a guard.
        """

    def fingerprint(self) -> str:
        """The hash of one small tensor, the same for a folder and for each GGUF of its weights.

        Raises:
            ModelError: the tensor is missing, or a file is damaged.
        """


def open_base(path: Path) -> BaseModel:
    """Check a folder of Hugging Face weights, or a GGUF file. Loads no weights.

    Raises:
        ModelError: they are not there, or are not those of a Llama.
    """
    return HuggingFaceBase.from_folder(path) if path.is_dir() else GgufBase.from_file(path)
