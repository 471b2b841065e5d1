"""`guard tune train`: examples and weights → a LoRA adapter."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import INTERRUPTED, OK
from guardcli.cli.progress_line import ProgressLine
from guardcli.errors import OutputError
from guardcli.report.training_curves import draw_curves
from guardcli.text.durations import clock
from guardcli.text.escaping import pluralize
from guardcli.training import (
    CURVES_FILE,
    LR_SCHEDULES,
    TRAIN_DTYPES,
    InitialAdapter,
    LoraModel,
    RunDir,
    TokenCounts,
    TokenizedDataset,
    Tokenizer,
    TrainConfig,
    TrainingData,
    TrainProgress,
    check_installed,
    fine_tune,
    open_base,
    read_log,
    resolve_checkpoint,
    run_files,
    step_of,
    training_manifest,
)

_DEFAULT = TrainConfig()
_BAR_WIDTH = 20  # characters


@click.command(
    cls=GuardCommand,
    exits={0: "the adapter is trained", 2: "wrong usage, or weights or data that cannot be used"},
    examples=(
        "guard tune train --base Llama-Guard-3-8B --data train.jsonl -o run",
        "guard tune train --base Llama-Guard-3-8B --data train.jsonl -o run --resume",
    ),
)
@click.option(
    "--base",
    "base_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="BASE",
    help="The weights to start from: a GGUF file, or a folder of Hugging Face weights.",
)
@click.option(
    "--data",
    "data_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The examples that guard tune prepare wrote.",
)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, metavar="RUN", help="The run's folder."
)
@click.option(
    "--held-out",
    "held_out_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Prepared examples to score at each checkpoint (with --copies 0).",
)
@click.option(
    "--init-from",
    "init_from",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Start from the adapter of another run: its best checkpoint, or a checkpoint's folder.",
)
@click.option(
    "--rank",
    "lora_rank",
    type=click.IntRange(min=1),
    default=_DEFAULT.lora_rank,
    show_default=True,
    help="LoRA rank.",
)
@click.option(
    "--alpha",
    "lora_alpha",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULT.lora_alpha,
    show_default=True,
    help="LoRA scaling: the update is multiplied by alpha / rank.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULT.learning_rate,
    show_default=True,
    help="Peak learning rate. The default is ten times the paper's, which LoRA needs.",
)
@click.option(
    "--lr-schedule",
    type=click.Choice(LR_SCHEDULES),
    default=_DEFAULT.lr_schedule,
    show_default=True,
    help="Keep the learning rate, or decay it linearly or along a cosine to nearly 0.",
)
@click.option(
    "--warmup-ratio",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=_DEFAULT.warmup_ratio,
    show_default=True,
    metavar="P",
    help="Fraction of the steps over which the learning rate rises from 0.",
)
@click.option(
    "--epochs",
    type=click.FloatRange(min=0, min_open=True, max=1000),
    default=_DEFAULT.epochs,
    show_default=True,
    help="Passes over the examples.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=_DEFAULT.batch_size,
    show_default=True,
    help="Examples per batch.",
)
@click.option(
    "--accumulate",
    "gradient_accumulation_steps",
    type=click.IntRange(min=1),
    default=_DEFAULT.gradient_accumulation_steps,
    show_default=True,
    help="Batches per optimizer step (gradient accumulation); 8 matches the paper's 8 GPUs.",
)
@click.option(
    "--max-length",
    type=click.IntRange(min=16),
    default=_DEFAULT.max_length,
    show_default=True,
    metavar="TOKENS",
    help="Leave out longer examples. Their number is shown.",
)
@click.option(
    "--verdict-weight",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULT.verdict_weight,
    show_default=True,
    metavar="W",
    help="Weight of the verdict's tokens in the loss.",
)
@click.option(
    "--ids-weight",
    type=click.FloatRange(min=0),
    default=_DEFAULT.ids_weight,
    show_default=True,
    metavar="W",
    help="Weight of the other tokens of the answer in the loss, such as category ids.",
)
@click.option("--seed", type=int, default=_DEFAULT.seed, show_default=True, help="Random seed.")
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    default=_DEFAULT.checkpoint_every,
    show_default=True,
    metavar="STEPS",
    help="Save a checkpoint, and evaluate it, every N steps.",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    metavar="N",
    help="End the run after N evaluations without a better held-out AUPRC.",
)
@click.option(
    "--dtype",
    type=click.Choice(TRAIN_DTYPES),
    default=_DEFAULT.dtype,
    show_default=True,
    help="Type to compute in; auto is bfloat16 on a GPU and float32 on a CPU.",
)
@click.option("--threads", type=click.IntRange(1, 512), metavar="N", help="CPU threads. Default: PyTorch's choice.")
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint.")
def train(
    *,
    base_path: Path,
    data_path: Path,
    folder: Path,
    held_out_path: Path | None,
    init_from: Path | None,
    threads: int | None,
    resume: bool,
    **hyperparameters: Any,
) -> int:
    """Train a LoRA adapter for the weights of BASE, on the answers of prepared examples only.

    \b
    guard tune train --base Llama-Guard-3-8B --data train.jsonl --held-out held.jsonl -o run

    A run that was killed resumes from its last checkpoint with --resume, and gives the same adapter. With --init-from,
    a run starts from the adapter of another one.
    """
    config = TrainConfig(**hyperparameters)
    if config.patience is not None and held_out_path is None:
        raise click.UsageError("--patience needs examples to evaluate: name them with --held-out")
    _check_folder(folder, base_path, [data_path, *([held_out_path] if held_out_path else [])])
    check_installed()
    base = open_base(base_path)
    tokenizer = base.tokenizer()
    dataset = _read(data_path, tokenizer, config)
    held_out = None if held_out_path is None else _read(held_out_path, tokenizer, config)
    data = TrainingData.from_datasets(dataset, held_out, tokenizer)
    initial = None if init_from is None else InitialAdapter.from_folder(init_from, base, config)
    run_dir = RunDir(folder, training_manifest(base, dataset, held_out, config, initial), resume=resume)
    if run_dir.step:
        output.echo_err(f"guard: {folder} has {pluralize(run_dir.step, 'step')}: resuming")
    elif initial is not None:
        other = "" if initial.template in (None, dataset.template) else f", which was trained for {initial.template}"
        output.echo_err(f"guard: {folder} starts with the adapter of {initial.folder}{other}")
    tokens = TokenCounts.from_examples(data.train, config)
    output.echo_err(
        f"guard: {data_path}: an epoch has {pluralize(tokens.total, 'token')}, {tokens.prefix:,} of them in prefixes; "
        f"{tokens.evaluated:,} are evaluated, since examples of a step share prefixes"
    )
    model = LoraModel(base, config, threads=threads)
    try:
        last = _show_progress(_draw_curves(fine_tune(model, data, run_dir, config, initial), folder))
    except KeyboardInterrupt:
        kept = run_dir.last_checkpoint
        where = "before the first checkpoint" if kept is None else f"and step {step_of(kept):,} is kept"
        output.echo_err(f"guard: stopped by SIGINT, {where}; run the same command with --resume to go on")
        return INTERRUPTED
    if last is not None and last.stopped:
        output.echo_err(
            f"guard: {folder} ends after {last.step:,} of {pluralize(last.num_steps, 'step')}: no better "
            f"held-out AUPRC in the last {pluralize(config.patience or 0, 'evaluation')}"
        )
    result = "" if last is None else f": {_metrics(last)}"
    output.echo_err(f"guard: {folder} is trained{result}{_best(run_dir)}")
    return OK


def _draw_curves(run: Iterator[TrainProgress], folder: Path) -> Iterator[TrainProgress]:
    """Draw the curves of a run whenever a checkpoint is saved."""
    for progress in run:
        if progress.saved:
            output.write_file(folder / CURVES_FILE, draw_curves(read_log(folder)))
        yield progress


def _best(run_dir: RunDir) -> str:
    """Name the step with the best held-out AUPRC, if there are any."""
    if not run_dir.evaluations:
        return ""
    step = step_of(resolve_checkpoint(run_dir.folder))
    (auprc,) = (evaluation.auprc for evaluation in run_dir.evaluations if evaluation.step == step)
    return f"; the best is {auprc:.4f} at step {step:,}"


def _check_folder(folder: Path, base: Path, data: Sequence[Path]) -> None:
    """Raise OutputError if the run's folder is a file or the base model's, or if the run would overwrite its data."""
    if folder.is_dir():
        if base.is_dir() and folder.samefile(base):
            raise OutputError(f"{folder} is an input: name another folder with -o", code="output/would-overwrite")
    else:
        output.check_output_file(folder, data, "-o")
    for file in run_files(folder):
        output.check_output_file(file, data, "-o")


def _read(path: Path, tokenizer: Tokenizer, config: TrainConfig) -> TokenizedDataset:
    num_read = 0

    def count(number: int) -> None:
        nonlocal num_read
        num_read = number

    with ProgressLine(lambda: f"{path}: {pluralize(num_read, 'example')} tokenized"):
        dataset = TokenizedDataset.from_file(path, tokenizer, max_length=config.max_length, on_example=count)
    if dataset.num_too_long:
        output.echo_err(
            f"guard: {path}: {pluralize(dataset.num_too_long, 'example')} of more than "
            f"{config.max_length:,} tokens left out"
        )
    return dataset


class TrainStatus:
    """The last step of a run, and how long its steps take."""

    def __init__(self) -> None:
        self.last: TrainProgress | None = None
        self._first: TrainProgress | None = None
        self.began = time.monotonic()

    def update(self, progress: TrainProgress) -> None:
        """A step is done."""
        self._first = self._first or progress
        self.last = progress

    def line(self, now: float | None = None) -> str:
        """One line for a person. The time left is reckoned from the steps behind the first, which is slower."""
        if self.last is None or self._first is None:
            return "before the first step"
        seconds = (time.monotonic() if now is None else now) - self.began
        return _progress_line(self.last, self.last.step - self._first.step, seconds)


def _show_progress(run: Iterator[TrainProgress]) -> TrainProgress | None:
    """Run to the end and show progress. Returns the last step."""
    status = TrainStatus()
    with ProgressLine(status.line):
        for progress in run:
            status.update(progress)
            if progress.auprc is not None:
                output.echo_err(f"guard: step {progress.step:,}: {_metrics(progress)}")
    return status.last


def _metrics(progress: TrainProgress) -> str:
    loss = [] if progress.loss is None else [f"loss {progress.loss:.4f}"]
    return ", ".join(loss + ([] if progress.auprc is None else [f"held-out AUPRC {progress.auprc:.4f}"]))


def _progress_line(progress: TrainProgress, steps_done: int, seconds: float) -> str:
    """Such as `[#####...............] 125/500, loss 0.1234, 2.05 s a step, 0:12:48 left`."""
    filled = _BAR_WIDTH * progress.step // progress.num_steps
    pace = seconds / max(steps_done, 1)
    left = round(pace * (progress.num_steps - progress.step))
    bar = "#" * filled + "." * (_BAR_WIDTH - filled)
    return (
        f"[{bar}] {progress.step:,}/{progress.num_steps:,}, {_metrics(progress)}, "
        f"{pace:.2f} s a step, {clock(left)} left"
    )
