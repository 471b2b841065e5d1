"""A PEFT adapter → a GGUF that llama.cpp applies. It knows no policy and no examples.

llama.cpp turns neighbouring rows of queries and keys where Hugging Face turns rows that are half a head apart; its
conversion of a model reorders those rows, and so those of the matrices that are added to them are reordered here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardcli.errors import InputError, TuneError
from guardcli.files.atomic import replacing
from guardcli.models.adapter import FINGERPRINT, TEMPLATE
from guardcli.training.base_model import Weights
from guardcli.training.dependencies import needed
from guardcli.training.lora_model import ADAPTER, CONFIG

_TENSOR = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight")
_PARTS = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip

# What PEFT can do beside plain LoRA, and a GGUF cannot say.
_REFUSED = ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "lora_bias", "trainable_token_indices")


@dataclass(frozen=True, slots=True)
class Trained:
    """An adapter as PEFT has it: where it is, its rank and alpha, and the folder of weights that it was made for."""

    folder: Path
    rank: int
    alpha: float
    base: str | None

    @classmethod
    def of(cls, folder: Path) -> Trained:
        """Raises InputError: the folder holds no adapter; TuneError: it is one of another kind."""
        try:
            config = json.loads((folder / CONFIG).read_text("utf-8"))
            rank, alpha = int(config["r"]), float(config["lora_alpha"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{folder} holds no LoRA adapter: {CONFIG}: {reason}") from error
        if config.get("peft_type") != "LORA":
            raise TuneError(f"{folder} is an adapter of the type {config.get('peft_type')}: only LoRA can be exported")
        if used := [name for name in _REFUSED if config.get(name)]:
            raise TuneError(
                f"{folder} uses {', '.join(used)}, which a GGUF cannot hold: only plain LoRA can be exported"
            )
        # llama.cpp applies alpha / rank, rank-stabilised LoRA alpha / sqrt(rank).
        alpha = alpha * math.sqrt(rank) if config.get("use_rslora") else alpha
        return cls(folder, rank, alpha, config.get("base_model_name_or_path"))

    @property
    def files(self) -> list[Path]:
        """What is read of the folder."""
        return [self.folder / CONFIG, self.folder / ADAPTER]


def export(trained: Trained, weights: Weights, path: Path, *, template: str | None) -> int:
    """Write the adapter, in float32; how many matrices it changes. `template` is that of its examples.

    Raises:
        InputError: a tensor is missing, or is of no Llama.
        OutputError: the file cannot be written.
    """
    gguf = needed("gguf")
    tensors = dict(_tensors(trained, weights))
    writer = gguf.GGUFWriter(None, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", trained.alpha)
    writer.add_name(path.stem)
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, weights.folder.resolve().name)
    writer.add_string(FINGERPRINT, weights.fingerprint())
    if template:
        writer.add_string(TEMPLATE, template)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    with replacing(path) as place:
        writer.write_header_to_file(place)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return len(tensors) // 2


def _tensors(trained: Trained, weights: Weights) -> Iterator[tuple[str, Any]]:
    """The matrices by llama.cpp's names, as arrays: A of (rank, in), B of (out, rank)."""
    file = trained.folder / ADAPTER
    load = needed("safetensors.torch").load_file
    try:
        found = load(file)
    except Exception as error:  # a missing file, and whatever a damaged one raises
        raise InputError(f"{file} cannot be read: {error}") from error
    for name in sorted(found):
        match = _TENSOR.fullmatch(name)
        if match is None or match[2] not in _PARTS:
            raise InputError(f"{file}: {name} is no part of a Llama that llama.cpp can adapt")
        layer, part, side = match[1], _PARTS[match[2]], match[3]
        tensor = found[name].float()
        heads = {"attn_q": weights.heads, "attn_k": weights.kv_heads}.get(part)
        if side == "B" and heads:
            tensor = turned(tensor, heads)
        yield f"blk.{layer}.{part}.weight.lora_{side.lower()}", tensor.contiguous().numpy()


def turned(rows: Any, heads: int) -> Any:
    """The rows of each head in llama.cpp's order: a row of the first half, then its partner of the second."""
    out, columns = rows.shape
    return rows.reshape(heads, 2, out // heads // 2, columns).transpose(1, 2).reshape(out, columns)
