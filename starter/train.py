"""Losses and the loop: batches in, an averaged model out.

It knows what answers should be, and nothing of texts or files.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from starter.batches import Targets
from starter.data import HAZARDS
from starter.model import VERDICT, Batch, Guard, Output
from starter.prompts import BLANK, BREAK, END, LETTER, SAFE, UNSAFE

BETAS = (0.9, 0.98)

Model = TypeVar("Model", bound=nn.Module)
Shown = TypeVar("Shown")
Told = Callable[[int, dict[str, float]], None]  # hears of every hundredth step, and what each loss was of late


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Steps, how many of them the learning rate rises in, its highest, and how much of the weights' average a step
    leaves. Each loss counts as much as the number of its name."""

    steps: int
    warm: int = 0
    rate: float
    keep: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Course):
    """The whole model's."""

    warm: int = 150
    keep: float = 0.997
    embedding_rate: float = 1e-4
    decay: float = 0.05
    verdict: float = 1.0
    number: float = 0.5
    pointer: float = 0.7
    pooled: float = 0.3
    rest: float = 0.02


class Pooled(nn.Module):
    """Two linear readings of a row's mean, only for training: what a bag of words would say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(width, 1 + HAZARDS) for _ in range(2))

    def loss(self, means: Sequence[Tensor], targets: Targets) -> Tensor:
        said = [part(mean) for part, mean in zip(self.parts, means, strict=True)]
        return torch.stack([pooled_loss(each, targets.all_unsafe, targets.hazards) for each in said]).sum()


def pooled_loss(logits: Tensor, unsafe: Tensor, hazards: Tensor) -> Tensor:
    verdict = functional.binary_cross_entropy_with_logits(logits[:, 0], unsafe)
    which = -(hazards * unsafe[:, None] * logits[:, 1:].log_softmax(-1)).sum(-1).mean()
    return verdict + 0.5 * which


def verdict_loss(spoken: Tensor, unsafe: Tensor) -> Tensor:
    """The cross-entropy of the verdict, by the logarithms of P(answer) (rows, answers + 1) and P(unsafe) (rows)."""
    return -(unsafe * spoken[:, UNSAFE] + (1 - unsafe) * spoken[:, SAFE]).mean()


def losses(output: Output, targets: Targets) -> dict[str, Tensor]:
    """Cross-entropies of the verdict, the number, what stands between, and of where the pointer looks."""
    spoken = output.logits.log_softmax(-1)
    fixed = zip((0, 2, 3, 5), (BLANK, BREAK, LETTER, END), strict=True)
    looked = torch.zeros_like(targets.look).scatter_add(1, targets.lines, output.looks.exp())
    return {
        "verdict": verdict_loss(spoken[:, VERDICT], targets.unsafe),
        "number": -(targets.numbers * spoken[:, 4, :-1]).sum(-1).mean(),
        "rest": sum((-spoken[:, at, answer].mean() for at, answer in fixed), torch.zeros(())),
        "pointer": -(targets.look * looked.clamp(min=1e-30).log()).sum(-1).mean(),
    }


def fit(
    model: Guard, pooled: Pooled, batches: Iterable[tuple[Batch, Targets]], schedule: Schedule, told: Told
) -> Guard:
    """Train the whole model, and return the running average of its weights."""

    def parts(shown: tuple[Batch, Targets]) -> dict[str, Tensor]:
        batch, targets = shown
        output = model(batch)
        return losses(output, targets) | {"pooled": pooled.loss(output.means, targets)}

    return descend(model, _optimizer(model, pooled, schedule), schedule, batches, parts, told)


def descend(
    model: Model, optimizer: torch.optim.Optimizer, course: Course, batches: Iterable[Shown],
    parts: Callable[[Shown], dict[str, Tensor]], told: Told,
) -> Model:  # fmt: skip
    """Step by step down a sum of losses, each times the course's number of its name; the running average of the
    weights."""
    average = copy.deepcopy(model)
    highest = [(group, group["lr"]) for group in optimizer.param_groups]
    seen: dict[str, float] = {}
    for step, batch in zip(range(course.steps), batches, strict=False):
        for group, top in highest:
            group["lr"] = top * rate(step, course.steps, course.warm)
        found = parts(batch)
        optimizer.zero_grad()
        loss = torch.stack([getattr(course, name) * part for name, part in found.items()]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        follow(average, model, course.keep, step)
        seen = {name: 0.98 * seen.get(name, part.item()) + 0.02 * part.item() for name, part in found.items()}
        if step % 100 == 99:
            told(step + 1, seen)
    return average


def _optimizer(model: Guard, pooled: Pooled, schedule: Schedule) -> torch.optim.Optimizer:
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and name.startswith("blk")]
    others = [weight for name, weight in model.named_parameters() if weight.ndim == 1 or name.startswith("output.")]
    return torch.optim.AdamW(
        [
            {"params": matrices, "lr": schedule.rate, "weight_decay": schedule.decay},
            {"params": [*others, *pooled.parameters()], "lr": schedule.rate},
            {"params": [model.token_embd.weight], "lr": schedule.embedding_rate},
        ],
        betas=BETAS,
        weight_decay=0.0,
        fused=True,
    )


def rate(step: int, steps: int, warm: int = 0) -> float:
    """Up in a line, down by a cosine: the share of the highest learning rate."""
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (steps - warm))


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, keep: float, step: int) -> None:
    """Move an average of weights towards a model's, faster in the first steps."""
    kept = min(keep, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - kept)
