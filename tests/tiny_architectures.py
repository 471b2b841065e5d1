"""Tiny random GGUFs of the architectures that guards are built on, by the names and shapes that llama.cpp reads.

The vocabulary is that of `tests.tiny`. Sliding windows are far shorter than the prompts of tests, and heads wider than
their part of the embedding where real models have them so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests import tiny

WIDTH, LAYERS, HEADS = 32, 4, 4
WINDOW = 16  # tokens that a layer with a sliding window sees
CONTEXT = 4096


@dataclass(frozen=True)
class Architecture:
    """What sets an architecture apart: the sizes of its attention, its further tensors, and its own metadata.

    `qk_norm` normalizes queries and keys, `post_norms` what attention and feed-forward return. Tied models have no
    output matrix. With `experts` the feed-forward part is a mixture, of which two are used for each token.
    """

    head_width: int = WIDTH // HEADS
    kv_heads: int = 2
    qk_norm: bool = False
    post_norms: bool = False
    tied: bool = False
    experts: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)


# Every other layer has a sliding window: what gemma2 does by itself, and gemma3 with this pattern.
_WINDOWS = {"attention.sliding_window": WINDOW, "attention.sliding_window_pattern": 2}
_YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 16.0, "rope.scaling.original_context_length": 64}

ARCHITECTURES = {
    "llama": Architecture(),
    "qwen3": Architecture(head_width=16, qk_norm=True, tied=True),
    "granite": Architecture(
        tied=True,
        metadata={"logit_scale": 2.0, "residual_scale": 0.5, "embedding_scale": 3.0, "attention.scale": 0.25},
    ),
    "mistral3": Architecture(head_width=16, metadata={**_YARN, "attention.temperature_scale": 0.1}),
    "gemma2": Architecture(
        head_width=16,
        post_norms=True,
        tied=True,
        metadata={**_WINDOWS, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
    ),
    "gemma3": Architecture(head_width=16, kv_heads=1, qk_norm=True, post_norms=True, tied=True, metadata={**_WINDOWS}),
    "qwen3moe": Architecture(
        head_width=16,
        qk_norm=True,
        experts=8,
        metadata={"expert_count": 8, "expert_used_count": 2, "expert_feed_forward_length": WIDTH},
    ),
}
SLIDING = ("gemma2", "gemma3")
EXPERTS = ("qwen3moe",)

_STATE, _INNER, _KERNEL = 8, 2 * WIDTH, 4
_SSM = {"ssm.conv_kernel": _KERNEL, "ssm.inner_size": _INNER, "ssm.state_size": _STATE}


def write(
    path: Path,
    architecture: str,
    *,
    seed: int = 0,
    name: str = "",
    chat_template: str | None = None,
    special_tokens: Sequence[str] = (),
    words: Sequence[str] = (),
) -> Path:
    """Write a random model of one of `ARCHITECTURES`; `special_tokens` and `words` are as in `tiny.write`."""
    shape = ARCHITECTURES[architecture]
    vocabulary = tiny.Vocabulary.from_words(words, special_tokens)
    writer = _writer(path, architecture, vocabulary, name=name, chat_template=chat_template)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_dimension_count(shape.head_width)
    add_metadata(writer, architecture, shape.metadata)
    _add_tensors(writer, [(name, size) for layer in range(LAYERS) for name, size in _layer(layer, shape)], seed)
    if not shape.tied:
        _add_tensors(writer, [("output.weight", (len(vocabulary.tokens), WIDTH))], seed + 1)
    return _close(writer, path)


def write_recurrent(path: Path, architecture: str) -> Path:
    """Write a model whose state cannot be rewound: "mamba", or "granitehybrid" with every other layer of that kind."""
    writer = _writer(path, architecture, tiny.Vocabulary.from_words())
    hybrid = architecture == "granitehybrid"
    add_metadata(writer, architecture, _SSM | {"ssm.time_step_rank": HEADS})
    writer.add_head_count(HEADS if hybrid else 0)
    if hybrid:
        writer.add_head_count_kv([0, 2] * (LAYERS // 2))
        add_metadata(writer, architecture, {"ssm.group_count": 1})
    tensors: list[tuple[str, tuple[int, ...]]] = []
    for layer in range(LAYERS):
        if not hybrid:
            tensors += _mamba(layer)
        else:
            tensors += _layer(layer, Architecture()) if layer % 2 else _mamba2(layer)
    _add_tensors(writer, tensors, 0)
    return _close(writer, path)


def _writer(
    path: Path, architecture: str, vocabulary: tiny.Vocabulary, *, name: str = "", chat_template: str | None = None
) -> gguf.GGUFWriter:
    """A writer with what all architectures have: sizes, vocabulary, embedding and the last normalization."""
    tokens = vocabulary.tokens
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(name or f"tiny {architecture}")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(list(vocabulary.merges))
    writer.add_bos_token_id(tokens.index("<|begin_of_text|>"))
    writer.add_eos_token_id(tokens.index("<|end_of_text|>"))
    writer.add_eot_token_id(tokens.index("<|eot_id|>"))
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    _add_tensors(writer, [("token_embd.weight", (len(tokens), WIDTH)), ("output_norm.weight", (WIDTH,))], 2)
    return writer


def add_metadata(writer: gguf.GGUFWriter, architecture: str, metadata: Mapping[str, Any]) -> None:
    """Add what sets an architecture apart, under its name."""
    for key, value in metadata.items():
        kind = {int: gguf.GGUFValueType.UINT32, float: gguf.GGUFValueType.FLOAT32, str: gguf.GGUFValueType.STRING}
        writer.add_key_value(f"{architecture}.{key}", value, kind[type(value)])


def _add_tensors(writer: gguf.GGUFWriter, tensors: list[tuple[str, tuple[int, ...]]], seed: int) -> None:
    """Add random matrices that keep the length of what they are multiplied with, and doubled; vectors are ones."""
    random = np.random.default_rng(seed)
    for name, shape in tensors:
        values = random.normal(0, 2 / np.sqrt(shape[-1]), shape) if len(shape) > 1 else np.ones(shape)
        writer.add_tensor(name, values.astype(np.float32))


def _layer(layer: int, shape: Architecture) -> list[tuple[str, tuple[int, ...]]]:
    """The tensors of a layer with attention, and their shapes as numpy has them."""
    queries, keys = HEADS * shape.head_width, shape.kv_heads * shape.head_width
    parts: dict[str, tuple[int, ...]] = {
        "attn_norm": (WIDTH,), "attn_q": (queries, WIDTH), "attn_k": (keys, WIDTH), "attn_v": (keys, WIDTH),
        "attn_output": (WIDTH, queries), "ffn_norm": (WIDTH,),
    }  # fmt: skip
    if shape.qk_norm:
        parts |= {"attn_q_norm": (shape.head_width,), "attn_k_norm": (shape.head_width,)}
    if shape.post_norms:
        parts |= {"post_attention_norm": (WIDTH,), "post_ffw_norm": (WIDTH,)}
    if shape.experts:
        parts |= {"ffn_gate_inp": (shape.experts, WIDTH)}
        parts |= {f"ffn_{part}_exps": (shape.experts, WIDTH, WIDTH) for part in ("gate", "up", "down")}
    else:
        parts |= {"ffn_gate": (2 * WIDTH, WIDTH), "ffn_up": (2 * WIDTH, WIDTH), "ffn_down": (WIDTH, 2 * WIDTH)}
    return [(f"blk.{layer}.{part}.weight", size) for part, size in parts.items()]


def _mamba(layer: int) -> list[tuple[str, tuple[int, ...]]]:
    """The tensors of a layer of Mamba, which has no feed-forward part."""
    return [
        (f"blk.{layer}.{part}", size)
        for part, size in {
            "attn_norm.weight": (WIDTH,), "ssm_in.weight": (2 * _INNER, WIDTH),
            "ssm_conv1d.weight": (_INNER, _KERNEL), "ssm_conv1d.bias": (_INNER,),
            "ssm_x.weight": (HEADS + 2 * _STATE, _INNER), "ssm_dt.weight": (_INNER, HEADS), "ssm_dt.bias": (_INNER,),
            "ssm_a": (_INNER, _STATE), "ssm_d": (_INNER,), "ssm_out.weight": (WIDTH, _INNER),
        }.items()
    ]  # fmt: skip


def _mamba2(layer: int) -> list[tuple[str, tuple[int, ...]]]:
    """The tensors of a recurrent layer of a hybrid model, with the feed-forward part that all its layers have."""
    convolved = _INNER + 2 * _STATE
    recurrent = {
        "attn_norm.weight": (WIDTH,), "ssm_in.weight": (2 * _INNER + 2 * _STATE + HEADS, WIDTH),
        "ssm_conv1d.weight": (convolved, _KERNEL), "ssm_conv1d.bias": (convolved,), "ssm_dt.bias": (HEADS,),
        "ssm_a": (HEADS, 1), "ssm_d": (HEADS, 1), "ssm_norm.weight": (1, _INNER), "ssm_out.weight": (WIDTH, _INNER),
    }  # fmt: skip
    attention = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output")
    others = [(name, size) for name, size in _layer(layer, Architecture()) if name.split(".")[2] not in attention]
    return [*((f"blk.{layer}.{part}", size) for part, size in recurrent.items()), *others]


def _close(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
