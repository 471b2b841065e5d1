"""What a model is before it is trained: attention that finds the conversation in the prompt, and pools what was said.

A verdict is mostly a matter of the words that were said, which a model takes thousands of steps to find out and never
learns as well as a bag of words. So in the first layer one attention head looks at the marker behind the categories,
which only later tokens see, and writes down that they stand behind it; another looks at the token before. In the
second layer, all heads but one look evenly at what stands behind the marker. Everything is open to training afterwards.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from starter.model import Block, Guard
from starter.spelling import Spelled

ONE, MARKER, SAID = range(3)  # places of the stream: the same in every token; only in the marker; only behind it
RESERVED = 3
ONES = 28.0  # the first of them beside the deviation of the others: so large that no norm levels what differs
POOLED = 10.0  # how large what is pooled becomes, likewise
NEAR = 0.8  # weights of queries and keys by which the token before scores some 8 above others
EVEN = 1.05  # likewise, by which what was said scores about 9 above the rest of the prompt
NEAREST = 6  # of the pairs that turn fastest, for the head that looks one token back


@torch.no_grad()
def wire(model: Guard, spelled: Spelled, marker: int) -> Tensor:
    """Set the first two layers, and the embeddings in what is reserved; what the first layer adds to tokens behind the
    marker (width)."""
    deviation = float(spelled()[:, RESERVED:].pow(2).mean().sqrt())
    ones = ONES * deviation
    spelled.runs[:, :RESERVED] = 0
    spelled.own[:, :RESERVED] = torch.tensor([ones, 0.0, 0.0])
    spelled.own[marker] = 0
    spelled.own[marker, ONE], spelled.own[marker, MARKER] = ones, 4 * ones
    first, second = (block for block in model.blk[:2] if isinstance(block, Block))
    for block in (first, second):
        block.attn_q.weight.normal_(std=0.02)
        block.attn_k.weight.normal_(std=0.02)
    _mark(model, first, ones / 2)
    _look_back(model, first)
    _pool(model, second, POOLED * deviation)
    return functional.one_hot(torch.tensor(SAID), model.shape.width) * ones / 2


def _mark(model: Guard, block: Block, size: float) -> None:
    """The first head looks at the marker, by the pair of places that hardly turns, and writes `size` to SAID."""
    width, slow = model.shape.head_width, model.shape.head_width - 2
    for part in (block.attn_q, block.attn_k, block.attn_v):
        part.weight[:width] = 0
    block.attn_q.weight[slow, ONE] = 1
    block.attn_k.weight[slow, MARKER] = 1
    block.attn_v.weight[0, MARKER] = model.shape.width**-0.5
    block.attn_output.weight[SAID, 0] = size


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
