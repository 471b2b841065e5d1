"""A folder with the Hugging Face weights of a Llama: what it holds, and the model in memory. It knows no adapter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardcli.errors import ModelError
from guardcli.models.gguf import fingerprint
from guardcli.training.dependencies import needed

ARCHITECTURE = "LlamaForCausalLM"
_NORM = "model.norm.weight"


@dataclass(frozen=True, slots=True)
class Weights:
    """`heads` and `kv_heads` are the attention heads of each layer."""

    folder: Path
    heads: int
    kv_heads: int

    @classmethod
    def of(cls, folder: Path) -> Weights:
        """Raises ModelError: there are no weights, or they are of something else than a Llama."""
        config = _config(folder)
        architectures = config.get("architectures") or []
        if ARCHITECTURE not in architectures:
            named = ", ".join(map(str, architectures)) or "none"
            raise ModelError(
                f"{folder} is no Llama (architecture {named}): Llama Guard 1, 2 and 3 (8B and 1B) can be trained"
            )
        if not any(folder.glob("*.safetensors")):
            raise ModelError(f"{folder} holds no weights (*.safetensors): download all files of the model")
        heads = int(config.get("num_attention_heads") or 32)  # as transformers has it where nothing is said
        return cls(folder, heads, int(config.get("num_key_value_heads") or heads))

    @property
    def files(self) -> list[Path]:
        """What is read of the folder, or may be."""
        return [*self.folder.glob("*.json"), *self.folder.glob("*.safetensors")]

    def load(self, device: str) -> Any:
        """The model on "cpu" in float32, or on "cuda" in bfloat16. Raises ModelError: the files are damaged."""
        torch, transformers = needed("torch"), needed("transformers")
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        try:
            model = transformers.LlamaForCausalLM.from_pretrained(self.folder, dtype=dtype, local_files_only=True)
        except Exception as error:  # whatever stands in the files comes out of four libraries
            raise ModelError(f"{self.folder} cannot be loaded: {error}") from error
        return model.to(device)

    def fingerprint(self) -> str:
        """By what a GGUF of these weights is known, too. Raises ModelError: they are not there."""
        safetensors = needed("safetensors")
        try:
            for file in sorted(self.folder.glob("*.safetensors")):
                with safetensors.safe_open(file, framework="pt") as tensors:
                    if _NORM in tensors.keys():  # noqa: SIM118 - it is no mapping
                        return fingerprint(tensors.get_tensor(_NORM).float().numpy().tobytes())
        except (safetensors.SafetensorError, OSError) as error:
            raise ModelError(f"{file} cannot be read: {error}; download it again") from error
        raise ModelError(f"{self.folder} lacks {_NORM}: download all files of the model")


def _config(folder: Path) -> dict[str, Any]:
    if folder.is_file():
        raise ModelError(
            f"{folder} is a file: training needs the folder of Hugging Face weights that a GGUF is made of"
        )
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{folder} is no folder of Hugging Face weights: config.json: {reason}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder}/config.json describes no model")
    return config
