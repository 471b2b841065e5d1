"""The training loop: steps, checkpoints and evaluation.

On one machine and with one number of threads, the result depends on the data, the configuration and its seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from guardcli.errors import InputError, TuneError, setting
from guardcli.evaluation.metrics import average_precision
from guardcli.text.escaping import pluralize
from guardcli.training.base_model import BaseModel
from guardcli.training.config import TrainConfig
from guardcli.training.dataset import TokenizedDataset
from guardcli.training.initial_adapter import InitialAdapter
from guardcli.training.lora_model import LoraModel
from guardcli.training.lr_schedule import learning_rate
from guardcli.training.prefix_groups import pair_labels, prefix_labels
from guardcli.training.run_dir import OPTIMIZER_FILE, HeldOutScore, RunDir
from guardcli.training.sampler import num_steps, sample_batches
from guardcli.training.tokenizer import TokenizedExample, Tokenizer


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """The state of a run after a step.

    `loss` is that of this step, and `auprc` is set if the step was evaluated. `saved` says that the step has a
    checkpoint, and `stopped` that the run ends early after it.
    """

    step: int
    num_steps: int
    loss: float | None = None
    auprc: float | None = None
    saved: bool = False
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The examples to train on, the held-out ones, and the token ids of the verdicts (safe, unsafe)."""

    train: Sequence[TokenizedExample]
    held_out: Sequence[TokenizedExample]
    verdict_ids: tuple[int, int]

    def __post_init__(self) -> None:
        """Raises InputError: there are no examples to train on, or the held-out ones have one label only."""
        if not self.train:
            raise _no_examples()
        if self.held_out and len({example.unsafe for example in self.held_out}) < 2:
            raise InputError(
                "the held-out examples are all of one label: AUPRC needs safe and unsafe ones", code="eval/one-class"
            )

    @classmethod
    def from_datasets(
        cls, dataset: TokenizedDataset, held_out: TokenizedDataset | None, tokenizer: Tokenizer
    ) -> TrainingData:
        """Take the examples of a dataset to train on, and perhaps of a held-out one.

        Raises:
            InputError: there are no examples; or a held-out conversation is also trained on, or the two are for
                different models.
        """
        if dataset.template is None:
            raise _no_examples()
        if held_out is not None:
            if shared := len(dataset.prompts & held_out.prompts):
                raise InputError(
                    f"{pluralize(shared, 'conversation')} of the held-out examples are trained on: prepare the "
                    f"training examples with {setting('prepare_examples.evaluation')}",
                    code="tune/overlap",
                )
            if held_out.template != dataset.template:
                raise InputError(
                    f"the held-out examples are for {held_out.template}, and the others for {dataset.template}",
                    code="tune/mixed-templates",
                )
        return cls(dataset.examples, held_out.examples if held_out else (), tokenizer.verdict_ids(dataset.template))


def _no_examples() -> InputError:
    return InputError("there are no examples to train on", code="tune/no-examples")


def training_manifest(
    base: BaseModel,
    dataset: TokenizedDataset,
    held_out: TokenizedDataset | None,
    config: TrainConfig,
    initial: InitialAdapter | None = None,
) -> dict[str, Any]:
    """Everything that the adapter depends on, for the manifest of a `RunDir`."""
    return {
        "template": dataset.template,
        "base": base.fingerprint(),
        "data": dataset.sha256,
        "held_out": held_out.sha256 if held_out else None,
        "init_from": initial.sha256 if initial else None,
        "sampler": "by prefix",
        **config.as_json(),
    }


def fine_tune(
    model: LoraModel,
    data: TrainingData,
    run_dir: RunDir,
    config: TrainConfig,
    initial: InitialAdapter | None = None,
) -> Iterator[TrainProgress]:
    """Train from the last checkpoint of the run, or from its start, to its end. Yields after each step.

    Every `config.checkpoint_every` steps and at the end, the held-out examples are evaluated and a checkpoint is saved.
    The run ends early after an evaluation that exhausts `config.patience`. It starts with the adapter `initial` instead
    of a new one, and with a new optimizer.

    Raises:
        InputError: `initial` does not fit the model.
        TuneError: the loss or a score is not finite, or the GPU is out of memory.
        OutputError: the log or a checkpoint cannot be written.
    """
    batch_size = config.effective_batch_size
    total = num_steps(len(data.train), batch_size=batch_size, epochs=config.epochs)
    if run_dir.last_checkpoint is not None:
        if patience_exhausted(run_dir.evaluations, config.patience):
            return
        model.load_checkpoint(run_dir.last_checkpoint, run_dir.last_checkpoint / OPTIMIZER_FILE)
    else:
        if initial is not None:
            model.load_adapter(initial.folder)
        if data.held_out:
            yield _evaluate(model, data, run_dir, TrainProgress(0, total))
    sampled = sample_batches(
        prefix_labels(data.train),
        pairs=pair_labels(data.train),
        batch_size=batch_size,
        epochs=config.epochs,
        seed=config.seed,
    )
    for step, indices in islice(enumerate(sampled, start=1), run_dir.step, None):
        examples = [data.train[index] for index in indices]
        loss = model.train_step(examples, learning_rate=learning_rate(step, total, config))
        if not math.isfinite(loss.total):
            raise TuneError(
                f"the loss is not finite at step {step}: lower TrainConfig.learning_rate; "
                f"the checkpoint of step {run_dir.step} is valid",
                code="tune/not-finite",
            )
        run_dir.log({"step": step, "loss": loss.total, "verdict_loss": loss.verdict, "ids_loss": loss.ids})
        progress = TrainProgress(step, total, loss.total)
        if step % config.checkpoint_every == 0 or step == total:
            if data.held_out:
                progress = _evaluate(model, data, run_dir, progress)
            run_dir.save_checkpoint(step, lambda folder: _write_checkpoint(model, folder))
            stopped = step < total and patience_exhausted(run_dir.evaluations, config.patience)
            progress = replace(progress, saved=True, stopped=stopped)
        yield progress
        if progress.stopped:
            return


def patience_exhausted(evaluations: Sequence[HeldOutScore], patience: int | None) -> bool:
    """Whether none of the last `patience` evaluations has a higher AUPRC than the best before them.

    >>> evaluations = [HeldOutScore(step, auprc) for step, auprc in enumerate([0.5, 0.7, 0.6, 0.7])]
    >>> patience_exhausted(evaluations, 2), patience_exhausted(evaluations, 3)
    (True, False)
    """
    if patience is None or len(evaluations) <= patience:
        return False
    auprcs = [evaluation.auprc for evaluation in evaluations]
    return max(auprcs[-patience:]) <= max(auprcs[:-patience])


def _evaluate(model: LoraModel, data: TrainingData, run_dir: RunDir, progress: TrainProgress) -> TrainProgress:
    """Score the held-out examples, and log their AUPRC."""
    scores = model.scores(data.held_out, data.verdict_ids)
    if not all(map(math.isfinite, scores)):
        raise TuneError(
            f"the scores of held-out examples are not finite at step {progress.step}: the weights are damaged",
            code="tune/not-finite",
        )
    auprc = average_precision([example.unsafe for example in data.held_out], scores)
    run_dir.log({"step": progress.step, "auprc": auprc})
    return replace(progress, auprc=auprc)


def _write_checkpoint(model: LoraModel, folder: Path) -> None:
    model.save_adapter(folder)
    model.save_optimizer(folder / OPTIMIZER_FILE)
