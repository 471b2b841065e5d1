"""Embeddings of tokens by how they are spelled: the sum of those of their runs of letters, and a part of their own.

A rare token is so read like the frequent ones that it shares letters with (Bojanowski et al., arXiv 1607.04606).
Once trained, the sums are ordinary embeddings, and nothing of this is left in the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from tokenizers import decoders
from torch import Tensor, nn
from torch.nn import functional

SHORTEST, LONGEST = 2, 5  # letters of a run
LEAST = 3  # tokens that must share a run
DEVIATION = 0.2  # of an embedding at the start
WHOLE = "whole "  # before the run that is a whole word
BROKEN = "\ufffd"  # stands for bytes that are no whole letter


class Spelled(nn.Module):
    """A table of embeddings (tokens, width) made of those of runs (runs, width) and of the tokens' own."""

    runs_of: Tensor
    starts: Tensor
    shares: Tensor

    def __init__(self, tokens: Sequence[str], width: int, *, plain: int) -> None:
        """The first `plain` tokens are spelled; special and user-defined ones behind them have only their own."""
        super().__init__()
        spelled = [spelling(token) for token in tokens[:plain]] + [[]] * (len(tokens) - plain)
        counts = Counter(run for found in spelled for run in found)
        shared = [run for run, count in counts.items() if count >= LEAST or run.startswith(WHOLE)]
        numbers = {run: at for at, run in enumerate(shared)}
        kept = [[numbers[run] for run in found if run in numbers] for found in spelled]
        lengths = torch.tensor([len(found) for found in kept])
        self.register_buffer("runs_of", torch.tensor([run for found in kept for run in found]))
        self.register_buffer("starts", lengths.cumsum(0) - lengths)
        self.register_buffer("shares", lengths.clamp(min=1).float().rsqrt().repeat_interleave(lengths))
        self.runs = nn.Parameter(torch.randn(len(numbers), width) * DEVIATION)
        self.own = nn.Parameter(torch.zeros(len(tokens), width))
        nn.init.normal_(self.own.data[plain:], std=DEVIATION)

    def forward(self) -> Tensor:
        summed = functional.embedding_bag(
            self.runs_of, self.runs, self.starts, mode="sum", per_sample_weights=self.shares
        )
        return summed + self.own


def spelling(token: str) -> list[str]:
    """What a token shares, that is written in symbols of bytes; its own alone where they are but part of a letter."""
    text = str(decoders.ByteLevel().decode([token]))
    return [f"{WHOLE}of bytes {token}"] if BROKEN in text else runs(text)


def runs(text: str) -> list[str]:
    """What tokens share: runs of letters in lower case, the beginning of a word marked, and how the word is written."""
    lower, written = text.lower(), text.removeprefix(" ")
    word = written.lower()
    marked = "^" + word if lower.startswith(" ") else word
    found = {marked[at : at + size] for size in range(SHORTEST, LONGEST + 1) for at in range(len(marked) - size + 1)}
    found |= {f"{kind} word" for kind, holds in (("new", marked != word), ("capital", written != word)) if holds}
    return sorted(found | {f"{WHOLE}{word}"})
