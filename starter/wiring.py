"""What a model is before it is trained: attention that finds the conversation in the prompt, and pools what was said.

A verdict is mostly a matter of the words that were said, which a model takes thousands of steps to find out and never
learns as well as a bag of words. So in the first layer one attention head looks at the marker behind the categories,
which only later tokens see, and writes down that they stand behind it; another looks at the token before. In the
second layer, all heads but one look nearly evenly at what stands behind the marker, a little less at what is large.
Everything is open to training afterwards.

Sizes in the stream are multiples of the deviation of embeddings: where these grow, what is told apart must too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from starter.model import Block, Guard

ONE, MARKER, SAID = range(3)  # places of the stream: the same in every token; only in the marker; only behind it
RESERVED = 3
ONES = 28.0  # deviations that the first of them is: so large that no norm levels what differs
BEHIND = 14.0  # deviations that the first layer writes to SAID
POOLED = 10.0  # deviations by which what is pooled is multiplied
NEAR = 0.8  # weights of queries and keys by which the token before scores some 8 above others
EVEN = 1.05  # likewise, by which what was said scores about 9 above the rest of the prompt
NEAREST = 6  # of the pairs that turn fastest, for the head that looks one token back


def reserved(tokens: int, marker: int) -> Tensor:
    """What embeddings are in the reserved places (tokens, RESERVED), in deviations."""
    places = torch.zeros(tokens, RESERVED)
    places[:, ONE] = ONES
    places[marker, MARKER] = 4 * ONES
    return places


@torch.no_grad()
def wire(model: Guard, deviation: float) -> None:
    """Set the first two layers for embeddings of a deviation."""
    first, second = _blocks(model)
    for block in (first, second):
        block.attn_q.weight.normal_(std=0.02)
        block.attn_k.weight.normal_(std=0.02)
    _look_at_marker(model, first)
    _look_back(model, first)
    _pool(model, second, POOLED * deviation)
    mark(model, deviation)


@torch.no_grad()
def mark(model: Guard, deviation: float) -> None:
    """Have the first layer write to SAID what embeddings of a deviation need."""
    first, _ = _blocks(model)
    first.attn_output.weight[SAID, 0] = BEHIND * deviation


def looking(model: Guard) -> tuple[nn.Module, ...]:
    """The parts by which the second layer looks at what was said."""
    _, second = _blocks(model)
    return second.attn_norm, second.attn_q, second.attn_k


def _blocks(model: Guard) -> tuple[Block, Block]:
    first, second, *_ = (block for block in model.blk if isinstance(block, Block))
    return first, second


def _look_at_marker(model: Guard, block: Block) -> None:
    """The first head looks at the marker, by the pair of places that hardly turns, and reads nearly 1 of it."""
    width, slow = model.shape.head_width, model.shape.head_width - 2
    for part in (block.attn_q, block.attn_k, block.attn_v):
        part.weight[:width] = 0
    block.attn_q.weight[slow, ONE] = 1
    block.attn_k.weight[slow, MARKER] = 1
    block.attn_v.weight[0, MARKER] = model.shape.width**-0.5


def _look_back(model: Guard, block: Block) -> None:
    """The second head's queries are turned one place back, so that they meet the keys of the token before."""
    width, turns = model.shape.head_width, model.shape.turns
    queries, keys = block.attn_q.weight[width : 2 * width], block.attn_k.weight[width : 2 * width]
    queries.zero_()
    keys.zero_()
    for pair in range(min(NEAREST, len(turns))):
        queries[2 * pair, ONE], queries[2 * pair + 1, ONE] = NEAR * turns[pair].cos(), -NEAR * turns[pair].sin()
        keys[2 * pair, ONE] = NEAR


def _pool(model: Guard, block: Block, size: float) -> None:
    """All heads but the first look evenly at what is marked; what they read comes back in other directions."""
    width = model.shape.head_width
    block.attn_q.weight[width:] = 0
    block.attn_k.weight[width:] = 0
    for head in range(1, model.shape.heads):
        slow = (head + 1) * width - 2
        block.attn_q.weight[slow, ONE] = EVEN
        block.attn_k.weight[slow, SAID] = EVEN
    block.attn_v.weight.normal_(std=model.shape.width**-0.5)
    block.attn_v.weight[:, :RESERVED] = 0
    directions = torch.linalg.qr(torch.randn(model.shape.width, model.shape.width))[0]
    block.attn_output.weight[:, width:] = size * directions[:, width:]
    block.attn_output.weight[:RESERVED] = 0
