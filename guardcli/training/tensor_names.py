"""The tensors of a Llama: their names and the order of their rows, in Hugging Face's format and in a GGUF.

Rotary embeddings rotate pairs of rows of queries and keys: in Hugging Face's order the rows of a pair are half a head
apart, in the order of a Llama's GGUF they are adjacent. For one head of four rows::

    Hugging Face   0 1 2 3     pairs (0, 2), (1, 3)
    GGUF           0 2 1 3
"""

from __future__ import annotations

from typing import Any

ADAPTED = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # the matrices of a layer that an adapter changes
_OF_LAYER = {gguf: name for name, gguf in ADAPTED.items()} | {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_OTHERS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def hugging_face_name(name: str) -> str:
    """The name that a tensor of a GGUF has in Hugging Face's format.

    >>> hugging_face_name("blk.7.attn_q.weight")
    'model.layers.7.self_attn.q_proj.weight'

    Raises:
        KeyError: a Llama has no such tensor.
    """
    match name.split("."):
        case ["blk", layer, part, "weight"]:
            return f"model.layers.{layer}.{_OF_LAYER[part]}.weight"
        case [part, "weight"]:
            return f"{_OTHERS[part]}.weight"
    raise KeyError(name)


def to_gguf_order(weight: Any, num_heads: int) -> Any:
    """Reorder the rows of a query or key matrix (out, in) from Hugging Face's order to a GGUF's.

    `weight` is an array of NumPy or a tensor of PyTorch, `num_heads` the heads of queries or of keys.
    """
    return _swap(weight, num_heads, 2, len(weight) // num_heads // 2)


def to_hugging_face_order(weight: Any, num_heads: int) -> Any:
    """The inverse of `to_gguf_order`."""
    return _swap(weight, num_heads, len(weight) // num_heads // 2, 2)


def _swap(weight: Any, *shape: int) -> Any:
    return weight.reshape(*shape, -1).swapaxes(1, 2).reshape(weight.shape)
