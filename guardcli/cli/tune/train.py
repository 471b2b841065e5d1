"""`guard tune train`: examples and weights → a LoRA adapter."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from guardcli.cli import output
from guardcli.cli.codes import DONE
from guardcli.errors import InputError, OutputError
from guardcli.text.printable import counted
from guardcli.training.base_model import Weights
from guardcli.training.config import Settings
from guardcli.training.dataset import Examples
from guardcli.training.dependencies import check
from guardcli.training.loop import Data, Progress
from guardcli.training.loop import train as trained
from guardcli.training.lora_model import Adapted
from guardcli.training.run_dir import Run, written_files
from guardcli.training.tokenizer import Tokenizer

_DEFAULT = Settings()
_EVERY = 10.0  # seconds between lines of progress where stderr is no terminal
_BAR = 20  # characters


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--base",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder of Hugging Face weights of a Llama Guard.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="FILE", help="What guard tune prepare wrote."
)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, metavar="RUN", help="The run's folder."
)
@click.option(
    "--held-out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Prepared examples to score at each checkpoint (with --copies 0).",
)
@click.option("--rank", type=click.IntRange(min=1), default=_DEFAULT.rank, show_default=True, help="Of the matrices.")
@click.option(
    "--alpha",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULT.alpha,
    show_default=True,
    help="The adapter counts alpha / rank times.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULT.learning_rate,
    show_default=True,
    help="Ten times the paper's, as LoRA needs.",
)
@click.option(
    "--epochs",
    type=click.FloatRange(min=0, min_open=True, max=1000),
    default=_DEFAULT.epochs,
    show_default=True,
    help="How often each example is seen.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=_DEFAULT.batch_size,
    show_default=True,
    help="Examples at a time.",
)
@click.option(
    "--accumulate",
    type=click.IntRange(min=1),
    default=_DEFAULT.accumulate,
    show_default=True,
    help="Batches of which a step learns; 8 stand for the paper's 8 GPUs.",
)
@click.option(
    "--max-length",
    type=click.IntRange(min=16),
    default=_DEFAULT.max_length,
    show_default=True,
    metavar="TOKENS",
    help="Longer examples are left out, and counted.",
)
@click.option("--seed", type=int, default=_DEFAULT.seed, show_default=True, help="Of the order, and of the adapter.")
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    default=_DEFAULT.checkpoint_every,
    show_default=True,
    metavar="STEPS",
    help="How often the run is saved and looked at.",
)
@click.option("--threads", type=click.IntRange(1, 512), metavar="N", help="CPU threads; PyTorch's choice if left out.")
@click.option("--resume", is_flag=True, help="Take the run up at its last checkpoint.")
def train(
    *,
    base: Path,
    data: Path,
    folder: Path,
    held_out: Path | None,
    threads: int | None,
    resume: bool,
    **settings: Any,
) -> int:
    """Train a LoRA adapter for the weights in DIR, on the answers of prepared examples only.

    \b
    guard tune train --base Llama-Guard-3-8B --data train.jsonl --held-out held.jsonl -o run

    In bfloat16 on a GPU, else in float32. Killed and started again with --resume, it goes on at its last checkpoint,
    to the same adapter.
    """
    _check_folder(folder, base, [data, *([held_out] if held_out else [])])
    check()
    chosen = Settings(**settings)
    weights = Weights.of(base)
    tokenizer = Tokenizer(base)
    examples = _read(data, tokenizer, chosen)
    held = None if held_out is None else _read(held_out, tokenizer, chosen)
    if held is not None:
        _compare(examples, held)
    encoded = Data(examples.encoded, held.encoded if held else (), (tokenizer.safe, tokenizer.unsafe))
    run = Run(folder, _facts(weights, examples, held, chosen), resume=resume)
    if run.step:
        output.say(f"guard: {folder} has {counted(run.step, 'step')}: going on from there")
    adapted = Adapted(weights, chosen, threads=threads)
    last = _watch(trained(adapted, encoded, run, chosen))
    told = "" if last is None else f": {_measured(last)}"
    output.say(f"guard: {folder} is trained{told}")
    return DONE


def _check_folder(folder: Path, base: Path, data: Sequence[Path]) -> None:
    """Raise OutputError: the run's folder is a file, or the model's, or the run would write over its data."""
    if folder.is_dir():
        if base.is_dir() and folder.samefile(base):
            raise OutputError(f"{folder} is an input: -o would write into it")
    else:
        output.check_no_input(folder, data, "-o")
    for file in written_files(folder):
        output.check_no_input(file, data, "-o")


def _read(path: Path, tokenizer: Tokenizer, settings: Settings) -> Examples:
    found = Examples.read(path, tokenizer, max_length=settings.max_length)
    if found.too_long:
        output.say(
            f"guard: {path}: {counted(found.too_long, 'example')} of more than {settings.max_length:,} tokens left out"
        )
    return found


def _compare(examples: Examples, held: Examples) -> None:
    """Raise InputError: what is held out is also trained on, or is for another model."""
    if shared := len(examples.prompts & held.prompts):
        raise InputError(f"{counted(shared, 'conversation')} of the held-out examples are trained on: prepare the "
                         "training examples with --exclude")  # fmt: skip
    if held.template != examples.template:
        raise InputError(f"the held-out examples are for {held.template}, and the others for {examples.template}")


def _facts(weights: Weights, examples: Examples, held: Examples | None, settings: Settings) -> dict[str, Any]:
    """What the adapter depends on."""
    return {
        "template": examples.template,
        "base": weights.fingerprint(),
        "data": examples.sha256,
        "held_out": held.sha256 if held else None,
        **asdict(settings),
    }


def _watch(run: Iterator[Progress]) -> Progress | None:
    """Run to the end, and tell how far it is: in place on a terminal, else a line now and then; the last of it."""
    start = told = time.monotonic()
    first = last = None
    for last in run:
        now = time.monotonic()
        first = first or last
        if last.auprc is not None:
            output.tell(None)
            output.say(f"guard: step {last.step:,}: {_measured(last)}")
        elif now - told >= (0.5 if output.on_terminal() else _EVERY):
            told = now
            output.tell(_state(last, last.step - first.step, now - start))
    output.tell(None)
    return last


def _measured(progress: Progress) -> str:
    loss = [] if progress.loss is None else [f"loss {progress.loss:.4f}"]
    return ", ".join(loss + ([] if progress.auprc is None else [f"held-out AUPRC {progress.auprc:.4f}"]))


def _state(progress: Progress, done: int, seconds: float) -> str:
    full = _BAR * progress.step // progress.steps
    pace = seconds / max(done, 1)
    left = int(pace * (progress.steps - progress.step))
    return (
        f"[{'#' * full}{'.' * (_BAR - full)}] {progress.step:,}/{progress.steps:,}, {_measured(progress)}, "
        f"{pace:.2f} s a step, {left // 3600}:{left % 3600 // 60:02}:{left % 60:02} left"
    )
