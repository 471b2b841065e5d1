"""The training loop: examples in, checkpoints out, and how far it is after each step.

Its order, its adapter's beginning and so its end depend on the seed alone (on one machine, with one number of threads).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from guardcli.errors import InputError, TuneError
from guardcli.metrics import average_precision
from guardcli.training.config import Settings
from guardcli.training.lora_model import Adapted
from guardcli.training.run_dir import STATE, Run
from guardcli.training.sampler import order, parted, steps
from guardcli.training.tokenizer import Encoded


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: of `steps`, the loss of the last one, and the held-out AUPRC where it was just measured."""

    step: int
    steps: int
    loss: float | None = None
    auprc: float | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """Encoded examples, those held out, and the ids of the verdicts safe and unsafe."""

    train: Sequence[Encoded]
    held_out: Sequence[Encoded]
    verdicts: tuple[int, int]

    def __post_init__(self) -> None:
        """Raises InputError: there is nothing to train on, or nothing that a curve could be drawn over."""
        if not self.train:
            raise InputError("there are no examples to train on")
        if self.held_out and len({one.unsafe for one in self.held_out}) < 2:
            raise InputError("the held-out examples are all of one label: AUPRC needs safe and unsafe ones")


def train(adapted: Adapted, data: Data, run: Run, settings: Settings) -> Iterator[Progress]:
    """Train from the run's last checkpoint to its end, and yield after every step.

    Raises:
        TuneError: the loss is not finite.
        OutputError: a checkpoint cannot be written.
    """
    total = steps(len(data.train), size=settings.at_once, epochs=settings.epochs)
    if run.checkpoint is not None:
        adapted.restore(run.checkpoint, run.checkpoint / STATE)
    elif data.held_out:
        yield _looked(adapted, data, run, settings, Progress(0, total))
    ordered = order(len(data.train), size=settings.at_once, epochs=settings.epochs, seed=settings.seed)
    for step, numbers in islice(enumerate(ordered, start=1), run.step, None):
        loss = adapted.learn(list(parted([data.train[number] for number in numbers], settings.batch_size)))
        if not math.isfinite(loss):
            raise TuneError(
                f"the loss is not finite at step {step}: lower --learning-rate; "
                f"the checkpoint of step {run.step} stands"
            )
        run.log({"step": step, "loss": loss})
        progress = Progress(step, total, loss)
        if step % settings.checkpoint_every == 0 or step == total:
            if data.held_out:
                progress = _looked(adapted, data, run, settings, progress)
            run.keep(step, lambda folder: _write(adapted, folder))
        yield progress


def _looked(adapted: Adapted, data: Data, run: Run, settings: Settings, progress: Progress) -> Progress:
    """Score what is held out."""
    scores: list[float] = []
    for batch in parted(data.held_out, settings.batch_size):
        scores += adapted.scores(batch, data.verdicts)
    if not all(map(math.isfinite, scores)):
        raise TuneError(f"the scores of held-out examples are not finite at step {progress.step}: damaged weights")
    auprc = average_precision([one.unsafe for one in data.held_out], scores)
    run.log({"step": progress.step, "auprc": auprc})
    return Progress(progress.step, progress.steps, progress.loss, auprc)


def _write(adapted: Adapted, folder: Path) -> None:
    adapted.save(folder)
    adapted.save_state(folder / STATE)
