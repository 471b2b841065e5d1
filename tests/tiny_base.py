"""The same tiny weights twice: a GGUF, and the Hugging Face folder that it could have been made of.

llama.cpp turns pairs of neighbouring rows of queries and keys by a rotation, Hugging Face rows that are half a head
apart, and so the folder has the rows in another order.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from tests import tiny

# Whatever imports this module trains: without PyTorch those tests are skipped.
torch = pytest.importorskip("torch", reason="tests of training need the extra dev-tune")
safetensors = pytest.importorskip("safetensors.torch")

WIDTH, HEADS, KV_HEADS = 32, 4, 2
# The pre-tokenizer of Llama 3, as its tokenizer.json has it.
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
_TOPS = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
}  # fmt: skip


def write(folder: Path, *, seed: int = 0, norm: float = 1.0) -> Path:
    """Write `folder`, and beside it the GGUF of the same name; the folder's path. `norm` scales all logits."""
    tokens, _ = tiny.vocabulary(user_defined=False)
    folder.mkdir()
    weights = tiny.weights(tokens, WIDTH, seed, answers=True)
    weights["output_norm.weight"] *= norm
    tiny.write(folder.with_suffix(".gguf"), made=weights, name="Llama Guard 3 (tiny, random)")
    tensors = {_name(name): torch.from_numpy(_unturned(name, values)).float() for name, values in weights.items()}
    safetensors.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(_config(tokens)))
    tokenizer(tokens).save(str(folder / "tokenizer.json"))
    return folder


def tokenizer(tokens: list[str]) -> Tokenizer:
    """The same ids as the GGUF's vocabulary."""
    normal = {token: id_ for id_, token in enumerate(tokens) if token not in tiny.SPECIALS}
    merges = [tuple(merge.split()) for merge in tiny.MERGES]
    made = Tokenizer(models.BPE(normal, merges, ignore_merges=True))
    split = pre_tokenizers.Split(Regex(LLAMA_3), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(tiny.SPECIALS))
    return made


def _config(tokens: list[str]) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": len(tokens), "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "rms_norm_eps": 1e-5, "max_position_embeddings": 4096, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "torch_dtype": "float32", "hidden_act": "silu",
    }  # fmt: skip


def _name(name: str) -> str:
    top, _, rest = name.removesuffix(".weight").partition(".")
    if top != "blk":
        return f"{_TOPS[top]}.weight"
    layer, part = rest.split(".")
    return f"model.layers.{layer}.{_NAMES[part]}.weight"


def _unturned(name: str, values: np.ndarray) -> np.ndarray:
    """Queries and keys with the rows of each head as Hugging Face has them: the even ones, then the odd ones."""
    for part, heads in (("attn_q", HEADS), ("attn_k", KV_HEADS)):
        if part in name:
            by_head = values.reshape(heads, -1, values.shape[1])
            return np.concatenate([by_head[:, 0::2], by_head[:, 1::2]], axis=1).reshape(values.shape)
    return values
