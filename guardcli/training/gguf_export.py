"""Exports a PEFT adapter as a GGUF that llama.cpp can apply."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from guardcli.errors import InputError, TuneError
from guardcli.files.atomic import atomic_write
from guardcli.models.adapter import FINGERPRINT, TEMPLATE
from guardcli.training.base_model import BaseModel
from guardcli.training.dependencies import require
from guardcli.training.lora_model import ADAPTER_CONFIG_FILE, ADAPTER_FILE
from guardcli.training.tensor_names import ADAPTED, to_gguf_order

DType = Literal["float32", "float16"]
DTYPES: tuple[DType, ...] = get_args(DType)

_TENSOR = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight")

# Features of PEFT beyond plain LoRA, which a GGUF cannot hold.
_UNSUPPORTED = (
    "use_dora",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "lora_bias",
    "trainable_token_indices",
)


@dataclass(frozen=True, slots=True)
class LoraCheckpoint:
    """A folder with a LoRA adapter in PEFT's format, and the path of the base model that it was trained on."""

    folder: Path
    rank: int
    alpha: float
    base: str | None

    @classmethod
    def from_folder(cls, folder: Path) -> LoraCheckpoint:
        """Read the adapter's configuration.

        Raises:
            InputError: the folder holds no adapter.
            TuneError: the adapter is not a plain LoRA.
        """
        try:
            config = json.loads((folder / ADAPTER_CONFIG_FILE).read_text("utf-8"))
            rank, alpha = int(config["r"]), float(config["lora_alpha"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{folder} holds no LoRA adapter: {ADAPTER_CONFIG_FILE}: {reason}", code="tune/invalid-run"
            ) from error
        if config.get("peft_type") != "LORA":
            raise TuneError(
                f"{folder} is an adapter of the type {config.get('peft_type')}: only LoRA can be exported",
                code="tune/not-exportable",
            )
        if used := [name for name in _UNSUPPORTED if config.get(name)]:
            raise TuneError(
                f"{folder} uses {', '.join(used)}, which a GGUF cannot hold: only plain LoRA can be exported",
                code="tune/not-exportable",
            )
        # llama.cpp scales by alpha / rank, rank-stabilized LoRA by alpha / sqrt(rank).
        alpha = alpha * math.sqrt(rank) if config.get("use_rslora") else alpha
        return cls(folder, rank, alpha, config.get("base_model_name_or_path"))

    @property
    def files(self) -> list[Path]:
        """The files of the folder that an export reads."""
        return [self.folder / ADAPTER_CONFIG_FILE, self.folder / ADAPTER_FILE]


def export_gguf(
    checkpoint: LoraCheckpoint, base: BaseModel, path: Path, *, template: str | None, dtype: DType = "float32"
) -> int:
    """Write the adapter, and return the number of matrices that it adapts.

    `template` is the name of the prompt template that it was trained with. In float16 the file has half the size.

    Raises:
        InputError: the adapter's file cannot be read, or has a tensor that llama.cpp cannot adapt.
        OutputError: the file cannot be written.
    """
    gguf = require("gguf")
    tensors = dict(_gguf_tensors(checkpoint, base))
    writer = gguf.GGUFWriter(None, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", checkpoint.alpha)
    writer.add_name(path.stem)
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, base.path.resolve().name)
    writer.add_string(FINGERPRINT, base.fingerprint())
    if template:
        writer.add_string(TEMPLATE, template)
    for name, values in tensors.items():
        writer.add_tensor(name, values.astype(dtype))
    with atomic_write(path) as temporary:
        writer.write_header_to_file(temporary)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return len(tensors) // 2


def _gguf_tensors(checkpoint: LoraCheckpoint, base: BaseModel) -> Iterator[tuple[str, Any]]:
    """The matrices as arrays, by llama.cpp's names: A (rank, in) and B (out, rank)."""
    file = checkpoint.folder / ADAPTER_FILE
    load_file = require("safetensors.torch").load_file
    try:
        tensors = load_file(file)
    except Exception as error:  # a missing file, or any error that a damaged one raises
        raise InputError(f"{file} cannot be read: {error}", code="input/unreadable") from error
    for name in sorted(tensors):
        match = _TENSOR.fullmatch(name)
        if match is None or match[2] not in ADAPTED:
            raise InputError(
                f"{file}: {name} is not part of a Llama that llama.cpp can adapt", code="tune/not-exportable"
            )
        layer, part, side = match[1], ADAPTED[match[2]], match[3]
        tensor = tensors[name].float()
        num_heads = {"attn_q": base.num_heads, "attn_k": base.num_kv_heads}.get(part)
        if side == "B" and num_heads:
            tensor = to_gguf_order(tensor, num_heads)
        yield f"blk.{layer}.{part}.weight.lora_{side.lower()}", tensor.contiguous().numpy()
