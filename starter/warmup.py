"""The beginning of training: which words mean what, with no categories in sight and little to attend to but the mean.

A step takes as long as one of the whole model, and shows eight times as many rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from starter.batches import Batches, Bodies
from starter.model import Guard
from starter.spelling import Spelled
from starter.train import BETAS, Pooled, follow, pooled_loss, rate, verdict_loss
from starter.wiring import RESERVED, wire


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Steps, rows of each, tokens of what was said in a row, the learning rate at its highest, how much of the weights'
    average a step leaves, and how much the mean's loss counts."""

    steps: int = 2000
    rows: int = 256
    longest: int = 120
    rate: float = 2e-3
    keep: float = 0.99
    pooled: float = 0.3


class Words(nn.Module):
    """A guard with spelled embeddings, wired to pool what was said and to look at nothing else."""

    marked: Tensor

    def __init__(self, guard: Guard, spelled: Spelled, marker: int) -> None:
        super().__init__()
        self.guard, self.spelled = guard, spelled
        self.register_buffer("marked", wire(guard, spelled, marker))

    def forward(self, bodies: Bodies) -> tuple[Tensor, Tensor]:
        """The verdict's logits (rows, answers + 1), and the mean of each row (rows, width)."""
        embedded = functional.embedding(bodies.ids, self.spelled()) + self.marked
        inside = torch.arange(embedded.shape[1]) < bodies.lengths[:, None]
        mean = (embedded * inside[..., None]).sum(1) / bodies.lengths[:, None]
        return self.guard.pooled(embedded, bodies.lengths), mean


def warm_up(
    words: Words, pooled: Pooled, batches: Batches, plan: WarmUp, told: Callable[[int, dict[str, float]], None]
) -> None:
    """Train what is used, leave the average of the weights, and fold the spelling into the guard's embeddings."""
    average = copy.deepcopy(words)
    optimizer = torch.optim.AdamW(
        [*words.parameters(), *pooled.parts[0].parameters()], lr=plan.rate, betas=BETAS, weight_decay=0.0,
        fused=True,
    )  # fmt: skip
    seen = 0.0
    shown = batches.bodies(plan.rows, longest=plan.longest)
    for step, bodies in zip(range(plan.steps), shown, strict=False):
        optimizer.param_groups[0]["lr"] = plan.rate * rate(step, plan.steps)
        logits, mean = words(bodies)
        verdict = verdict_loss(logits.log_softmax(-1), bodies.unsafe)
        loss = verdict + plan.pooled * pooled_loss(pooled.parts[0](mean), bodies.unsafe, bodies.hazards)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for weight in words.spelled.parameters():
            if weight.grad is not None:
                weight.grad[:, :RESERVED] = 0
        nn.utils.clip_grad_norm_(words.parameters(), 1.0)
        optimizer.step()
        follow(average, words, plan.keep, step)
        seen = 0.98 * (seen or verdict.item()) + 0.02 * verdict.item()
        if step % 100 == 99:
            told(step + 1, {"verdict": seen})
    words.load_state_dict(average.state_dict())
    with torch.no_grad():
        words.guard.token_embd.weight.copy_(words.spelled())
