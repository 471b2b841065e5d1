"""The beginning of training: which words mean what, with no categories in sight and little to attend to but the mean.

A step takes as long as one of the whole model, and shows eight times as many rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from starter.batches import Batches, Bodies
from starter.model import VERDICT, Guard, mean_of
from starter.spelling import DEVIATION, Spelled
from starter.tokens import Tokens
from starter.train import BETAS, Course, Pooled, Told, descend, pooled_loss, verdict_loss
from starter.wiring import BEHIND, RESERVED, SAID, looking, mark, reserved, wire


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp(Course):
    """The beginning's, with the rows of a step and how many tokens of what was said are in each at most."""

    steps: int = 2000
    rate: float = 2e-3
    keep: float = 0.99
    rows: int = 256
    longest: int = 120
    verdict: float = 1.0
    pooled: float = 0.3


class Words(nn.Module):
    """A guard with spelled embeddings, wired to pool what was said and to look at nothing else."""

    places: Tensor
    behind: Tensor

    def __init__(self, guard: Guard, tokens: Tokens, marker: int) -> None:
        super().__init__()
        self.guard = guard
        self.spelled = Spelled(tokens.tokens, guard.shape.width - RESERVED, plain=tokens.normal)
        wire(guard, DEVIATION)
        self.register_buffer("places", reserved(len(tokens.tokens), marker))
        self.register_buffer("behind", functional.one_hot(torch.tensor(SAID), guard.shape.width) * BEHIND)

    def forward(self, bodies: Bodies) -> tuple[Tensor, Tensor]:
        """The verdict's logits (rows, answers + 1), and the mean that the whole model's rows have (rows, width)."""
        table, deviation = self._table()
        embedded = functional.embedding(bodies.ids, table)
        mean = mean_of(embedded[:, 1:], bodies.lengths - 1 - (VERDICT + 1))
        return self.guard.pooled(embedded + self.behind * deviation, bodies.lengths), mean

    @torch.no_grad()
    def fold(self) -> Guard:
        """The guard, with embeddings that are an ordinary table, and a first layer that marks in proportion to them."""
        table, deviation = self._table()
        self.guard.token_embd.weight.copy_(table)
        mark(self.guard, float(deviation))
        return self.guard

    def _table(self) -> tuple[Tensor, Tensor]:
        """Embeddings (tokens, width), and their deviation where nothing is reserved."""
        spelled = self.spelled()
        deviation = spelled.detach().pow(2).mean().sqrt()
        return torch.cat([self.places * deviation, spelled], 1), deviation


def warm_up(words: Words, pooled: Pooled, batches: Batches, plan: WarmUp, told: Told) -> Guard:
    """Train what is used, but not where attention looks; the guard with the average of the weights."""

    def parts(bodies: Bodies) -> dict[str, Tensor]:
        logits, mean = words(bodies)
        verdict = verdict_loss(logits.log_softmax(-1), bodies.unsafe)
        return {"verdict": verdict, "pooled": pooled_loss(pooled.parts[0](mean), bodies.unsafe, bodies.hazards)}

    for part in looking(words.guard):
        part.requires_grad_(False)
    trained = [weight for weight in words.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        [*trained, *pooled.parts[0].parameters()], lr=plan.rate, betas=BETAS, weight_decay=0.0, fused=True
    )
    average = descend(words, optimizer, plan, batches.bodies(plan.rows, longest=plan.longest), parts, told)
    guard = average.fold()
    return guard.requires_grad_(True)
