"""Evaluates the small guard, and writes its figures as JSON and as tables in Markdown.

    python -m recipes.smol.evaluate DATA BUILT OUT -m BASE --lora ADAPTER

DATA is the folder of the labeled data sets, BUILT what recipes.smol.build_data wrote. Parts that OUT has for the same
model, options and data are not judged again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import numpy as np

from guardcli import Conversation, EngineConfig, Guard, JudgeConfig, ModelConfig, Taxonomy, Verdict
from guardcli.cli.adapter_option import AdapterOption
from guardcli.evaluation.metrics import (
    Bootstrap,
    ConfusionMatrix,
    Floats,
    Interval,
    paired_difference,
    percentile_interval,
    ranking_statistic,
)
from guardcli.models import Adapter, Model
from recipes.smol.definitions import held_out_definitions
from recipes.smol.evaluation_sets import (
    AVERAGED,
    evaluation_sets,
    held_out,
    mt_bench,
    trained_records,
    untrained_benign,
)
from recipes.smol.figure_tables import format_figures
from recipes.smol.linear_baseline import LinearBaseline
from recipes.smol.policy_reading import UnseenPolicy, read_changes, read_unseen
from recipes.smol.records import Record
from recipes.smol.unseen import everyday_lines, unseen_policies

_NUM_RESAMPLES = 1000
PARTS = ("sets", "benign", "changes", "definitions", "unseen", "everyday")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A loaded model, the policy that it is asked about, and the data.

    `cache` is a file that keeps the measured tolerance of scores, which is the same under all policies.
    """

    model: Model
    taxonomy: Taxonomy
    config: JudgeConfig
    engine: EngineConfig
    data: Path
    built: Path
    cache: Path
    limit: int | None
    seed: int

    def judge(self, taxonomy: Taxonomy, conversations: Sequence[Conversation]) -> list[Verdict]:
        """The verdicts on the last message of each conversation, under a policy."""
        with Guard(self.model, taxonomy, config=self.config, engine=self.engine, cache=self.cache) as guard:
            return list(guard.check(conversations))

    def verdicts(self, records: Sequence[Record]) -> list[Verdict]:
        """The verdicts on records under the policy."""
        return self.judge(self.taxonomy, [record.conversation for record in records])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("built", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("-m", "--model", required=True, help="The GGUF, or the name of a model.")
@click.option("--lora", type=AdapterOption(), multiple=True, help="An adapter to put on it. Repeatable.")
@click.option("--template", help="The prompt that the model was trained on; else as its file says.")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True)
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Only these. Repeatable.")
@click.option("--limit", type=click.IntRange(min=10), help="Records of each set at most; for a quick look.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; all cores if left out.")
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    *,
    data: Path,
    built: Path,
    out: Path,
    model: str,
    lora: tuple[Adapter, ...],
    template: str | None,
    threshold: float,
    parts: tuple[str, ...],
    limit: int | None,
    threads: int | None,
    seed: int,
) -> None:
    """Evaluate a model; write OUT/figures.json and OUT/figures.md."""
    out.mkdir(parents=True, exist_ok=True)
    loaded = ModelConfig(model, template=template, adapters=lora).load()
    evaluation = Evaluation(
        model=loaded,
        taxonomy=Taxonomy.load("llama-guard-3"),
        config=JudgeConfig(target="last", threshold=threshold),
        engine=EngineConfig(threads=threads),
        data=data,
        built=built,
        cache=out / "cache.json",
        limit=limit,
        seed=seed,
    )
    setting = {
        "model": _identity(evaluation),
        "built": _digest(built),
        "threshold": threshold,
        "limit": limit,
        "seed": seed,
    }
    path = out / "figures.json"
    figures = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if figures.get("setting") != setting:
        figures = {"setting": setting}
    for part in parts or PARTS:
        if part not in figures:
            click.echo(f"{part} …", err=True)
            figures[part] = _EVALUATE[part](evaluation)
            path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
    table = format_figures(figures)
    (out / "figures.md").write_text(table, "utf-8")
    click.echo(table)


def _identity(evaluation: Evaluation) -> str:
    with Guard(evaluation.model, evaluation.taxonomy, config=evaluation.config, engine=evaluation.engine) as guard:
        return guard.provenance.model


def _digest(built: Path) -> str:
    """Of what was trained on, and what was held out."""
    return sha256((built / "train.jsonl").read_bytes() + (built / "held_out.jsonl").read_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Ranking:
    """An AUPRC, and its values (num_resamples,) in the resamples."""

    value: float
    resampled: Floats

    @classmethod
    def from_scores(cls, labels: Sequence[bool], scores: Floats, bootstrap: Bootstrap) -> Ranking:
        value, statistic = ranking_statistic("auprc", labels, scores)
        return cls(value, bootstrap.distribution(statistic))

    @classmethod
    def mean(cls, rankings: Sequence[Ranking]) -> Ranking:
        """The mean over sets, which are resampled independently."""
        values = [ranking.value for ranking in rankings]
        return cls(sum(values) / len(values), np.mean([ranking.resampled for ranking in rankings], axis=0))


def _evaluate_sets(evaluation: Evaluation) -> dict[str, Any]:
    """AUPRC beside the linear baseline, and F1, FPR and recall at the threshold; and the means of five sets."""
    linear = LinearBaseline(trained_records(evaluation.built))
    sets = evaluation_sets(evaluation.data, evaluation.built, limit=evaluation.limit, seed=evaluation.seed)
    figures: dict[str, Any] = {}
    averaged: list[tuple[Ranking, Ranking]] = []
    for name, records in sets.items():
        verdicts = evaluation.verdicts(records)
        judged = [(r, v) for r, v in zip(records, verdicts, strict=True) if v.judged_score is not None]
        labels = [record.unsafe for record, _ in judged]
        bootstrap = Bootstrap(len(judged), num_resamples=_NUM_RESAMPLES, seed=evaluation.seed)
        own = Ranking.from_scores(labels, np.array([verdict.judged_score for _, verdict in judged]), bootstrap)
        other = Ranking.from_scores(labels, linear.scores([record for record, _ in judged]), bootstrap)
        matrix = ConfusionMatrix.from_predictions(labels, [verdict.flagged for _, verdict in judged])
        figures[name] = _compare(own, other) | {
            "rows": len(records),
            "unsafe": sum(record.unsafe for record in records),
            "errors": len(records) - len(judged),
            "f1": matrix.f1,
            "fpr": matrix.fpr,
            "recall": matrix.recall,
        }
        if name in AVERAGED:
            averaged.append((own, other))
    figures["mean"] = _compare(*(Ranking.mean(rankings) for rankings in zip(*averaged, strict=True)))
    return figures


def _compare(own: Ranking, linear: Ranking) -> dict[str, Any]:
    """The AUPRC of the model and of the baseline, and their paired difference, with 95 % intervals."""
    difference, p_value = paired_difference(own.value - linear.value, own.resampled - linear.resampled)
    return {
        "auprc": _interval(percentile_interval(own.value, own.resampled)),
        "linear": _interval(percentile_interval(linear.value, linear.resampled)),
        "difference": _interval(difference),
        "p": p_value,
    }


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.value, interval.low, interval.high]


def _evaluate_benign(evaluation: Evaluation) -> dict[str, Any]:
    """How many harmless records are flagged: held-out rows of everyday sets, and MT-Bench."""
    sets = {"benign": untrained_benign(evaluation.data, evaluation.built), "mt_bench": mt_bench(evaluation.data)}
    return {
        name: _rate([v.flagged for v in evaluation.verdicts(records)], evaluation) for name, records in sets.items()
    }


def _rate(happened: Sequence[bool], evaluation: Evaluation) -> dict[str, Any]:
    """A share with its interval."""
    values = np.array(happened, dtype=np.float64)
    bootstrap = Bootstrap(len(values), num_resamples=_NUM_RESAMPLES, seed=evaluation.seed)
    resampled = bootstrap.distribution(lambda weights: weights @ values / len(values))
    return {"rows": len(values), "share": _interval(percentile_interval(float(values.mean()), resampled))}


def _evaluate_changes(evaluation: Evaluation) -> dict[str, Any]:
    records = [record for record in held_out(evaluation.built) if record.unsafe and record.certain][: evaluation.limit]
    verdicts = evaluation.verdicts(records)
    readings = read_changes(records, verdicts, evaluation.taxonomy, evaluation.judge, seed=evaluation.seed)
    return {name: reading.to_json() for name, reading in readings.items()}


def _evaluate_definitions(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Definitions of groups of topics that no training asked about: those whose halves are of one group, and of two."""
    found: dict[str, UnseenPolicy] = {}
    for name, policy in held_out_definitions(evaluation.seed):
        read = replace(read_unseen(policy, evaluation.judge), name=name)
        found[name] = found[name] + read if name in found else read
    return [read.to_json() for read in found.values()]


def _evaluate_unseen(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [read_unseen(policy, evaluation.judge).to_json() for policy in unseen_policies()]


def _evaluate_everyday(evaluation: Evaluation) -> list[dict[str, Any]]:
    lines = everyday_lines()
    verdicts = evaluation.verdicts([Record((("user", line.text),), line.unsafe, "everyday", 1.0) for line in lines])
    return [
        {"text": line.text, "unsafe": line.unsafe, "verdict": verdict.verdict, "score": verdict.judged_score}
        for line, verdict in zip(lines, verdicts, strict=True)
    ]


_EVALUATE: Mapping[str, Callable[[Evaluation], Any]] = {
    "sets": _evaluate_sets,
    "benign": _evaluate_benign,
    "changes": _evaluate_changes,
    "definitions": _evaluate_definitions,
    "unseen": _evaluate_unseen,
    "everyday": _evaluate_everyday,
}


if __name__ == "__main__":
    main()
