"""Where the experiments read and write, and what they run: guard's own commands, each of which is run once only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import click

from guardcli.models.cached_files import read_digests
from guardcli.training import TokenCounts, TokenizedDataset, TrainConfig, open_base
from recipes.commands import guard, unpack_into

Row = dict[str, Any]

RANK, ALPHA = 16, 32
MAX_LENGTH = 420  # tokens of a training example


@dataclass(frozen=True, slots=True)
class Training:
    """A training: its examples, and how it is done.

    `initial` is the folder of an adapter in PEFT's format to begin with.
    """

    examples: Path
    batch_size: int
    learning_rate: float
    epochs: float = 1.0
    initial: Path | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of the data sets, of what `recipes.smol.build_data` made of them, and of what is written; the models.

    `model` is the guard that is prompted, and `base` what adapters are trained for. So many `rows` of a set are judged.
    `threads` None: all cores.
    """

    data: Path
    built: Path
    out: Path
    model: str
    base: Path
    rows: int
    threads: int | None
    seed: int

    def check_settings(self) -> None:
        """Note what the files in `out` are made with.

        Raises:
            click.UsageError: there are files that were made with something else.
        """
        path = self.out / "settings.json"
        base = read_digests([self.base]).whole
        settings = {"model": self.model, "base": base, "rows": self.rows, "seed": self.seed}
        if path.exists() and (before := _read(path)) != settings:
            raise click.UsageError(f"{self.out} is of another run ({before}): name another folder")
        write_json(path, settings)

    @property
    def _threads(self) -> tuple[object, ...]:
        return () if self.threads is None else ("--threads", self.threads)

    def evaluate(self, name: str, records: Path, *options: object, adapter: Path | None = None) -> Row:
        """The JSON of `guard eval` on labeled records; its verdicts are kept as NAME.verdicts.jsonl.

        The guard judges, or the base with an adapter, in F16 as `-m smol` is.
        """
        path, verdicts = self.out / f"{name}.json", self.verdicts(name)
        if not path.exists():
            model = ("-m", self.model) if adapter is None else self._adapted(adapter)
            saved = ("--save-verdicts", verdicts, "--seed", self.seed)
            self._eval(path, records, *model, *options, *saved, *self._threads)
        return _read(path)

    def _adapted(self, adapter: Path) -> tuple[object, ...]:
        return "-m", unpack_into(self.out, self.base), "--lora", adapter

    def compare(self, name: str, records: Path, runs: Sequence[str], *options: object) -> Row:
        """The JSON of `guard eval` on the kept verdicts of several evaluations: each is compared with the first."""
        path = self.out / f"{name}.json"
        stored = [option for run in runs for option in ("--verdicts", self.verdicts(run))]
        self._eval(path, records, *stored, "--seed", self.seed, *options)
        return _read(path)

    def _eval(self, path: Path, records: Path, *options: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        guard("eval", records, *options, "--format", "json", "-o", unfinished)
        unfinished.rename(path)

    def verdicts(self, name: str) -> Path:
        """Where the verdicts of an evaluation are."""
        return self.out / f"{name}.verdicts.jsonl"

    def prepare(self, name: str, records: Path, template: str, *options: object) -> Path:
        """The training examples of labeled records."""
        path = self.out / f"{name}.examples.jsonl"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fixed = ("--template", template, "--samples", 0, "--seed", self.seed)
            guard("tune", "prepare", records, "-o", path, *fixed, *options)
        return path

    def train(self, name: str, training: Training) -> tuple[Path, int]:
        """Train an adapter, from the last checkpoint if there is one. Return its GGUF, and the evaluated tokens."""
        run, adapter = self.out / name, self.out / f"{name}.gguf"
        if not adapter.exists():
            options: list[object] = ["--rank", RANK, "--alpha", ALPHA, "--max-length", MAX_LENGTH, "--seed", self.seed]
            options += ["--lr-schedule", "cosine", "--warmup-ratio", 0.05, "--checkpoint-every", 10, *self._threads]
            options += ["--batch-size", training.batch_size, "--learning-rate", training.learning_rate]
            options += ["--epochs", training.epochs]
            options += [] if training.initial is None else ["--init-from", training.initial]
            guard("tune", "train", "--base", self.base, "--data", training.examples, "-o", run, *options, "--resume")
            guard("tune", "export", run, "--base", self.base, "--dtype", "float16", "-o", adapter)
        return adapter, self._tokens(training)

    def _tokens(self, training: Training) -> int:
        """The tokens that a training evaluates."""
        tokenizer = open_base(self.base).tokenizer()
        dataset = TokenizedDataset.from_file(training.examples, tokenizer, max_length=MAX_LENGTH)
        config = TrainConfig(batch_size=training.batch_size, seed=self.seed)
        return round(TokenCounts.from_examples(dataset.examples, config).evaluated * training.epochs)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")
    return path


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


def shuffled(rows: Iterable[Row], seed: int) -> list[Row]:
    """The rows in random order."""
    every = list(rows)
    Random(seed).shuffle(every)
    return every


def system_figures(system: Mapping[str, Any]) -> Row:
    """Of a system in the JSON of `guard eval`, what a table needs."""
    return {
        "records": system["records"], "errors": system["errors"], "tokens": system["tokens"],
        "auprc": interval(system["auprc"]),
        **{name: None if system[name] is None else system[name]["value"] for name in ("f1", "fpr", "recall")},
    }  # fmt: skip


def differences(evaluation: Mapping[str, Any]) -> list[Row]:
    """The differences in AUPRC of the second system and those after it to the first one, paired."""
    return [{"auprc": interval(one["auprc"]), "p": one["auprc_p"]} for one in evaluation["comparisons"]]


def interval(value: Mapping[str, float | None] | None) -> list[float | None] | None:
    """A value with the ends of its 95 % interval, None where they are not known."""
    return None if value is None else [value["value"], value["low"], value["high"]]


def _read(path: Path) -> Row:
    value: Row = json.loads(path.read_text("utf-8"))
    return value
