"""A base model in a folder of Hugging Face weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardcli.errors import ModelError
from guardcli.models.gguf import fingerprint
from guardcli.training.config import WeightType
from guardcli.training.dependencies import require
from guardcli.training.encoders import HuggingFaceEncoder
from guardcli.training.llama_loading import load_llama
from guardcli.training.tokenizer import Tokenizer

ARCHITECTURE = "LlamaForCausalLM"
_FINGERPRINT_TENSOR = "model.norm.weight"


@dataclass(frozen=True, slots=True)
class HuggingFaceBase:
    """A folder of weights, and the number of attention heads and of key-value heads of each layer."""

    path: Path
    num_heads: int
    num_kv_heads: int

    @classmethod
    def from_folder(cls, folder: Path) -> HuggingFaceBase:
        """Read `folder`/config.json, and check that the weights are there. Loads none of them.

        Raises:
            ModelError: there are no weights, or they are not those of a Llama.
        """
        config = _read_config(folder)
        architectures = config.get("architectures") or []
        if ARCHITECTURE not in architectures:
            named = ", ".join(map(str, architectures)) or "none"
            raise ModelError(
                f"{folder} is not a Llama (architecture {named}); expected {ARCHITECTURE}",
                code="model/unsupported",
            )
        if not any(folder.glob("*.safetensors")):
            raise ModelError(
                f"{folder} holds no weights (*.safetensors): download all files of the model", code="model/incomplete"
            )
        num_heads = int(config.get("num_attention_heads") or 32)  # the default of transformers
        return cls(folder, num_heads, int(config.get("num_key_value_heads") or num_heads))

    @property
    def files(self) -> list[Path]:
        """The files of the folder that loading may read."""
        return [*self.path.glob("*.json"), *self.path.glob("*.safetensors")]

    def load(self, device: str, dtype: WeightType) -> Any:
        """Load the model on "cpu" or "cuda", with weights of that type.

        Raises:
            ModelError: a file is damaged.
        """
        source = {"pretrained_model_name_or_path": self.path, "local_files_only": True}
        return load_llama(self.path, device, dtype, lambda: source)

    def tokenizer(self) -> Tokenizer:
        """Load `path`/tokenizer.json.

        Raises:
            ModelError: the file is missing or damaged, or its vocabulary is not that of a guard.
        """
        return Tokenizer(HuggingFaceEncoder(self.path))

    def fingerprint(self) -> str:
        """The hash of one small tensor, the same as that of a GGUF made of these weights.

        Raises:
            ModelError: the tensor is missing, or a file is damaged.
        """
        safetensors = require("safetensors")
        try:
            for file in sorted(self.path.glob("*.safetensors")):
                with safetensors.safe_open(file, framework="pt") as tensors:
                    if _FINGERPRINT_TENSOR in tensors.keys():  # noqa: SIM118 - it is not a mapping
                        return fingerprint(tensors.get_tensor(_FINGERPRINT_TENSOR).float().numpy().tobytes())
        except (safetensors.SafetensorError, OSError) as error:
            raise ModelError(f"{file} cannot be read: {error}; download it again", code="model/damaged") from error
        raise ModelError(
            f"{self.path} lacks {_FINGERPRINT_TENSOR}: download all files of the model", code="model/incomplete"
        )


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(
            f"{folder} is not a folder of Hugging Face weights: config.json: {reason}", code="model/incomplete"
        ) from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder}/config.json does not describe a model", code="model/incomplete")
    return config
