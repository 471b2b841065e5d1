"""Evaluates a prefix once for all the sequences that begin with it, with gradients as if each had its own.

::

    forward     prefix ──► keys, values of each layer
                              ╎ leaves                  the graphs end here
                              ├──► batch 1 ──► loss     one at a time: only one batch's graph is in memory
                              └──► batch 2 ──► loss
    backward    prefix ◄── Σ gradients of the leaves ◄── each loss

Attention is the only place where a token of a sequence reads the prefix. So keys and values are all that the sequences
need, and the gradients of keys and values are all that they give back. Both pass through an attention function, which
layers may run again: gradient checkpointing works for the prefix as for the sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guardcli.training.dependencies import require
from guardcli.training.padding import is_bfloat16_on_cpu, pad_rows
from guardcli.training.tokenizer import TokenizedExample

ATTENTION = "guardcli_shared_prefix"
_MAX_PRODUCT = 512 * 512  # tokens times seen tokens; beyond, memory counts


def register_attention() -> str:
    """Register the attention function with transformers, and return the name to load a model with."""
    require("transformers").AttentionInterface.register(ATTENTION, _attend)
    return ATTENTION


class SharedPrefix:
    """The keys and values of a prefix in each layer. A prefix without tokens is for sequences that do not share one."""

    def __init__(self, llama: Any, tokens: Sequence[int]) -> None:
        """Evaluate the tokens with the decoder of a Llama that was loaded with `ATTENTION`."""
        self._torch: Any = require("torch")
        self.llama = llama
        self.length = len(tokens)
        self._computed: dict[int, tuple[Any, Any]] = {}  # by layer
        self._leaves: dict[int, tuple[Any, Any]] = {}
        if tokens:
            ids = self._torch.tensor([list(tokens)], device=llama.device)
            llama(input_ids=ids, use_cache=False, recorded_keys_values=self._computed)
            self._leaves = {layer: tuple(map(self._leaf, pair)) for layer, pair in self._computed.items()}

    def states(self, ids: Any) -> Any:
        """The last hidden states of sequences that continue the prefix: (sequences, tokens, width).

        `ids` are (sequences, tokens), padded on the right. A token attends to the prefix, to itself and to those before
        it, so padding changes no state but its own.
        """
        if not self._leaves:
            return self.llama(input_ids=ids, use_cache=False).last_hidden_state
        num_tokens = ids.shape[1]
        mask = self._torch.ones(num_tokens, self.length + num_tokens, dtype=self._torch.bool, device=ids.device)
        output = self.llama(
            input_ids=ids,
            position_ids=self._torch.arange(self.length, self.length + num_tokens, device=ids.device)[None],
            attention_mask=mask.tril(self.length)[None, None],
            use_cache=False,
            prefix_keys_values=self._leaves,
        )
        return output.last_hidden_state

    def backward(self) -> None:
        """Propagate the gradients that have gathered at the keys and values, if any, back through the prefix."""
        tensors, gradients = [], []
        for layer, leaves in self._leaves.items():
            for computed, leaf in zip(self._computed[layer], leaves, strict=True):
                if leaf.grad is not None:
                    tensors.append(computed)
                    gradients.append(leaf.grad.to(computed.dtype))
        if tensors:
            self._torch.autograd.backward(tensors, gradients)

    def _leaf(self, computed: Any) -> Any:
        """A leaf of at least float32: sums of many small gradients would be rounded in bfloat16."""
        dtype = self._torch.promote_types(computed.dtype, self._torch.float32)
        return computed.detach().to(dtype).requires_grad_(self._torch.is_grad_enabled())


class SharedBatch:
    """Sequences that continue a shared prefix. `examples` are their indices."""

    def __init__(self, prefix: SharedPrefix, indices: Sequence[int], examples: Sequence[TokenizedExample]) -> None:
        self._prefix = prefix
        self.examples = list(indices)
        self._rows = {index: row for row, index in enumerate(indices)}
        self._ids = pad_rows([examples[index].evaluated[prefix.length :] for index in indices], 0, prefix.llama)

    def states(self) -> Any:
        """The last hidden states: (sequences, tokens, width)."""
        return self._prefix.states(self._ids)

    def place(self, index: int, token: int) -> tuple[int, int]:
        """The row and the column of a token of an example, which is not one of its prefix."""
        return self._rows[index], token - self._prefix.length


def _attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    *,
    recorded_keys_values: dict[int, tuple[Any, Any]] | None = None,
    prefix_keys_values: dict[int, tuple[Any, Any]] | None = None,
    **options: Any,
) -> Any:
    """Attention of transformers over the keys and values of a prefix, if there is one, and then those given.

    Without a mask it is causal.
    """
    torch = require("torch")
    if recorded_keys_values is not None:
        # Checkpointing runs the layer a second time: the graph belongs to the tensors of the first.
        recorded_keys_values.setdefault(module.layer_idx, (key, value))
    if prefix_keys_values is not None:
        prefix_key, prefix_value = prefix_keys_values[module.layer_idx]
        key = torch.cat([prefix_key.to(key.dtype).expand(len(key), -1, -1, -1), key], dim=2)
        value = torch.cat([prefix_value.to(value.dtype).expand(len(value), -1, -1, -1), value], dim=2)
    small = query.shape[2] * key.shape[2] <= _MAX_PRODUCT
    if is_bfloat16_on_cpu(query) and small and not options.get("dropout"):
        return _attend_by_products(query, key, value, attention_mask, options["scaling"]), None
    sdpa = require("transformers.modeling_utils").ALL_ATTENTION_FUNCTIONS["sdpa"]
    return sdpa(module, query, key, value, attention_mask, **options)


def _attend_by_products(query: Any, key: Any, value: Any, mask: Any, scaling: float) -> Any:
    """Attention as two matrix products, whose backward pass is several times as fast in bfloat16 on a CPU.

    `query` is (batch, heads, tokens, d), `key` and `value` (batch, kv heads, seen tokens, d), and `mask` (batch, 1,
    tokens, seen tokens), or None for causal attention of equally many. Returns (batch, tokens, heads, d). Memory is
    quadratic in the tokens, for their probabilities are kept. Heads that share a key are one matrix.
    """
    torch = require("torch")
    batch, heads, tokens, width = query.shape
    kv_heads, seen = key.shape[1:3]
    if mask is None:
        mask = torch.ones(tokens, tokens, dtype=torch.bool).tril()[None, None]
    queries = (query * scaling).reshape(batch, kv_heads, -1, width)
    scores = (queries @ key.transpose(-1, -2)).view(batch, kv_heads, -1, tokens, seen)
    bias = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, torch.finfo(query.dtype).min)
    probabilities = (scores + bias[:, :, None]).softmax(dim=-1)
    attended = probabilities.view(batch, kv_heads, -1, seen) @ value
    return attended.view(batch, heads, tokens, width).transpose(1, 2).contiguous()
