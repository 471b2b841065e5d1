"""The Llama architecture in torch, for training: rows that share a head (the prompt up to the conversation) see one
copy of it, and the last layer works only where an answer is read.

It knows token ids and positions; it knows no text. Rotation is of adjacent pairs, as llama.cpp has it for this
architecture, so that nothing is permuted at export.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

READ = 6  # of the tokens at the end of each row, the model's answers are read
VERDICT = 1  # behind which of them the verdict comes
EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model; `answers` are the ids that it may write."""

    vocabulary: int
    answers: tuple[int, ...]
    width: int = 128
    layers: int = 3
    heads: int = 4
    inner: int = 320
    base: float = 10_000.0

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def turns(self) -> Tensor:
        """By how much each pair of a head's places is rotated from a token to the next: (head_width / 2), radians."""
        half = self.head_width // 2
        turns: Tensor = self.base ** (-torch.arange(half) / half)
        return turns


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in groups that share a head. Ids of heads (groups, head), of bodies (groups, rows, body), padded behind;
    true lengths (groups), (groups, rows)."""

    heads: Tensor
    head_lengths: Tensor
    bodies: Tensor
    body_lengths: Tensor


@dataclass(frozen=True, slots=True)
class Output:
    """Logits over the answers and, last, any other token (rows, READ, answers + 1); the logarithm of how much the
    verdict's first attention head of the last layer looks at each place (rows, head + body); the means over each row,
    but for its last READ places, of embeddings and of what the last layer reads (rows, width); what the verdict's
    logits are made of (rows, width)."""

    logits: Tensor
    looks: Tensor
    means: tuple[Tensor, Tensor]
    verdict: Tensor


class Block(nn.Module):
    """One layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, inner = shape.width, shape.inner
        self.attn_norm, self.ffn_norm = nn.RMSNorm(width, eps=EPSILON), nn.RMSNorm(width, eps=EPSILON)
        self.attn_q, self.attn_k = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.attn_v, self.attn_output = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.ffn_gate, self.ffn_up = (nn.Linear(width, inner, bias=False) for _ in range(2))
        self.ffn_down = nn.Linear(inner, width, bias=False)
        nn.init.zeros_(self.attn_output.weight)
        nn.init.zeros_(self.ffn_down.weight)

    def feed(self, hidden: Tensor) -> Tensor:
        inside = self.ffn_norm(hidden)
        gated: Tensor = self.ffn_down(functional.silu(self.ffn_gate(inside)) * self.ffn_up(inside))
        return hidden + gated


class Guard(nn.Module):
    """The whole model, its answers untied from the embeddings: all tokens but the answers share one output row."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=EPSILON)
        self.output = nn.Linear(shape.width, len(shape.answers) + 1, bias=False)

    def forward(self, batch: Batch) -> Output:
        rows, length = batch.bodies.shape[1:]
        head, body = self.token_embd(batch.heads), self.token_embd(batch.bodies.flatten(0, 1))
        head_at = torch.arange(head.shape[1])
        body_at = (batch.head_lengths.repeat_interleave(rows)[:, None] + torch.arange(length)[None]).long()
        mask = _mask(batch)
        own = batch.body_lengths.flatten()
        embedded = mean_of(body, own - READ)
        *blocks, final = (block for block in self.blk if isinstance(block, Block))
        for block in blocks:
            head, body = self._layer(block, head, body, head_at, body_at, mask)
        read = own[:, None] - READ + torch.arange(READ)[None]
        inside = mean_of(body, own - READ)
        last, looks = self._last(final, head, body, head_at, body_at, mask, read)
        normed = self.output_norm(last)
        return Output(self._answered(normed), looks, (embedded, inside), normed[:, VERDICT])

    def pooled(self, bodies: Tensor, lengths: Tensor) -> Tensor:
        """The verdict's logits over the answers and any other token (rows, answers + 1) of embedded bodies (rows, body,
        width), as if the first layer changed nothing, in the second all heads but the first looked from the last token
        at the body and itself, and the others did nothing but feed."""
        _, second, *others = (block for block in self.blk if isinstance(block, Block))
        at, end = torch.arange(bodies.shape[1]), lengths[:, None] - 1
        inside = second.attn_norm(bodies)
        keys, values = self._rotated(self._parted(second.attn_k(inside)), at), self._parted(second.attn_v(inside))
        asking = bodies[torch.arange(len(bodies)), end[:, 0]][:, None]
        queries = self._rotated(self._parted(second.attn_q(second.attn_norm(asking))), end)
        unseen = torch.zeros(1).masked_fill(at > end, float("-inf"))
        seen = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=unseen[:, None, None])
        seen = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, 1:]], 1)
        hidden = second.feed(asking + second.attn_output(_joined(seen)))
        for block in others:
            hidden = block.feed(hidden)
        return self._answered(self.output_norm(hidden))[:, 0]

    def _answered(self, normed: Tensor) -> Tensor:
        logits = self.output(normed)
        others = torch.log(torch.tensor(float(self.shape.vocabulary - len(self.shape.answers))))
        return torch.cat([logits[..., :-1], logits[..., -1:] + others], -1)

    def _layer(
        self, block: Block, head: Tensor, body: Tensor, head_at: Tensor, body_at: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        queries, keys, values = self._projected(block, head, head_at)
        seen = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        head = block.feed(head + block.attn_output(_joined(seen)))
        own_queries, own_keys, own_values = self._projected(block, body, body_at)
        rows = body.shape[0] // head.shape[0]
        seen = functional.scaled_dot_product_attention(
            own_queries, _behind(keys, own_keys, rows), _behind(values, own_values, rows), attn_mask=mask[:, None]
        )
        return head, block.feed(body + block.attn_output(_joined(seen)))

    def _last(
        self, block: Block, head: Tensor, body: Tensor, head_at: Tensor, body_at: Tensor, mask: Tensor, read: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the last layer makes of the places that are read, and where the verdict's first attention head looks."""
        rows = body.shape[0] // head.shape[0]
        _, keys, values = self._projected(block, head, head_at)
        _, own_keys, own_values = self._projected(block, body, body_at)
        keys, values = _behind(keys, own_keys, rows), _behind(values, own_values, rows)
        at = read[..., None].expand(-1, -1, body.shape[-1])
        asking = body.gather(1, at)
        places = body_at.gather(1, read)
        queries = self._rotated(self._parted(block.attn_q(block.attn_norm(asking))), places)
        masked = mask.gather(1, read[..., None].expand(-1, -1, mask.shape[-1]))
        seen = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=masked[:, None])
        verdict = queries[:, 0, VERDICT][:, None] @ keys[:, 0].transpose(1, 2) * self.shape.head_width**-0.5
        looks = (verdict[:, 0] + masked[:, VERDICT]).log_softmax(-1)
        return block.feed(asking + block.attn_output(_joined(seen))), looks

    def _projected(self, block: Block, hidden: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inside = block.attn_norm(hidden)
        queries, keys, values = (self._parted(part(inside)) for part in (block.attn_q, block.attn_k, block.attn_v))
        return self._rotated(queries, at), self._rotated(keys, at), values

    def _parted(self, hidden: Tensor) -> Tensor:
        return hidden.view(*hidden.shape[:-1], self.shape.heads, self.shape.head_width).transpose(1, 2)

    def _rotated(self, parted: Tensor, at: Tensor) -> Tensor:
        """Rotate adjacent pairs by their place: `at` is (places) or (rows, places)."""
        angles = at[..., None] * self.shape.turns
        if angles.ndim == 3:
            angles = angles[:, None]
        cosine, sine = angles.cos(), angles.sin()
        first, second = parted[..., 0::2], parted[..., 1::2]
        return torch.stack([first * cosine - second * sine, first * sine + second * cosine], -1).flatten(-2)


def _mask(batch: Batch) -> Tensor:
    """What may not be seen, as -inf: (rows, body, head + body)."""
    rows, length = batch.bodies.shape[1:]
    padded = torch.arange(batch.heads.shape[1])[None] >= batch.head_lengths[:, None]
    over = padded.repeat_interleave(rows, 0)[:, None].expand(-1, length, -1)
    later = torch.ones(length, length, dtype=torch.bool).triu(1)[None].expand(over.shape[0], -1, -1)
    return torch.zeros(1).masked_fill(torch.cat([over, later], -1), float("-inf"))


def _behind(shared: Tensor, own: Tensor, rows: int) -> Tensor:
    return torch.cat([shared.repeat_interleave(rows, 0), own], 2)


def _joined(parted: Tensor) -> Tensor:
    return parted.transpose(1, 2).flatten(-2)


def mean_of(hidden: Tensor, lengths: Tensor) -> Tensor:
    """The mean of each row's first places (rows, width), as many as `lengths` (rows) says, of (rows, places, width)."""
    inside = (torch.arange(hidden.shape[1])[None] < lengths[:, None]).float()
    return (hidden * inside[..., None]).sum(1) / inside.sum(1, keepdim=True)
