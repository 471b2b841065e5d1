"""How well a model judges: scores of rows under a list, and their average precision.

It asks the torch model; what llama.cpp makes of the exported file is asked through guardcli.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from guardcli import metrics
from starter.batches import padded
from starter.data import Row
from starter.model import VERDICT, Batch, Guard
from starter.prompts import FULL, SAFE, UNSAFE, Listed, Prompts

Doubles = NDArray[np.float64]
HARMLESS = ("benign_self_instruct", "benign_gsm8k_1k", "benign_taskmaster4", "cyberseceval_frr")
LONGEST = 1500  # ids of what was said, from the end


def logits(model: Guard, prompts: Prompts, rows: Sequence[Row], listed: Listed = FULL) -> Doubles:
    """The logit of P(unsafe) of each row's last turn, under one list of categories."""
    return verdicts(model, prompts, rows, listed)[0]


@torch.no_grad()
def verdicts(model: Guard, prompts: Prompts, rows: Sequence[Row], listed: Listed = FULL) -> tuple[Doubles, Doubles]:
    """The logit of P(unsafe) of each row's last turn, and what it is made of: (rows), (rows, width)."""
    found, made_of = np.zeros(len(rows)), np.zeros((len(rows), model.shape.width))
    said = prompts.said([row.turns for row in rows])
    for speaker in ("User", "Agent"):
        head = torch.tensor([prompts.head(speaker, listed)[0]])
        numbers = [at for at, row in enumerate(rows) if row.turns[-1].speaker == speaker]
        numbers.sort(key=lambda at: len(said[at]))
        rest = prompts.listing(1)
        for start in range(0, len(numbers), 32):
            chosen = numbers[start : start + 32]
            bodies, lengths = padded([said[at][-LONGEST:] + prompts.after(speaker) + rest for at in chosen])
            batch = Batch(head, torch.tensor([head.shape[1]]), bodies[None], lengths[None])
            output = model(batch)
            spoken = output.logits[:, VERDICT]
            found[chosen] = (spoken[:, UNSAFE] - spoken[:, SAFE]).numpy()
            made_of[chosen] = output.verdict.numpy()
    return found, made_of


def threshold(model: Guard, prompts: Prompts, rows: Sequence[Row], share: float) -> float:
    """The logit that `share` of the harmless sets' rows exceed, if each set counts the same."""
    harmless = [row for row in rows if row.source in HARMLESS and row.language == "en"]
    found = logits(model, prompts, harmless)
    counts = Counter(row.source for row in harmless)
    weights = np.array([1 / counts[row.source] / len(counts) for row in harmless])
    order = np.argsort(-found)
    return float(found[order][np.searchsorted(np.cumsum(weights[order]), share)])


def shift(model: Guard, prompts: Prompts, rows: Sequence[Row], by: float) -> None:
    """Lower the logit of P(unsafe) by `by`, so that a threshold becomes 0.5.

    There is no bias to change, but what the verdict is made of always has a large part in common, so that some
    direction gives 1 for every row; that direction goes into the rows of the two answers.
    """
    _, made_of = verdicts(model, prompts, rows)
    one = np.linalg.solve(made_of.T @ made_of + 1e-3 * len(rows) * np.eye(made_of.shape[1]), made_of.sum(0))
    change = torch.from_numpy(one * by / 2).float()
    with torch.no_grad():
        model.output.weight[UNSAFE] -= change
        model.output.weight[SAFE] += change


def average_precision(rows: Sequence[Row], scores: Doubles) -> float:
    """AUPRC, as guardcli computes it. Raises NoFigure."""
    return metrics.average_precision([row.unsafe for row in rows], scores)
