"""Compare the measured tolerance with how far scores do move: one row a model, with the share that it covers.

    python -m benchmarks.tolerance --model smol --model random-small-q8_0.gguf --prompts openai_mod.jsonl.gz

Each message is judged by the deterministic engine and by the batched one: all messages in order, shuffled, and three at
a time. The movement of a message is the largest difference in log-odds between any two of these.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from guardcli import EngineConfig, Guard, JudgeConfig, Model, Offload, formats
from guardcli.conversation import Record
from guardcli.judging.tolerance import floor
from guardcli.models.llama import build
from guardcli.prompts.turns import turns

TEMPLATE = "llama-guard-3-8b"
LONGEST = 800  # characters of a message

Odds = npt.NDArray[np.float64]


@click.command(help=__doc__)
@click.option("--model", "paths", multiple=True, required=True, help="A GGUF, or smol; any number of times.")
@click.option("--prompts", "source", type=click.Path(exists=True), required=True)
@click.option("--count", default=200, show_default=True, help="How many messages are judged.")
@click.option("--template", default=TEMPLATE, show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("tolerance.json"), show_default=True)
def main(paths: Sequence[str], source: str, count: int, template: str, threads: int, out: Path) -> None:
    texts = _texts(source, count)
    table = json.loads(out.read_text()) if out.exists() else []
    for path in paths:
        row = coverage(path, texts, template, threads)
        table = [*(other for other in table if _key(other) != _key(row)), row]
        out.write_text("[\n" + ",\n".join(json.dumps(row) for row in table) + "\n]\n")
        click.echo(json.dumps(row))


def coverage(path: str, texts: Sequence[str], template: str, threads: int) -> dict[str, object]:
    """The row of a model: its tolerance, what it takes to measure it, and the movement of the texts."""
    with Model.load(path, template=template, offload=Offload("off")) as model:
        batched = EngineConfig(threads=threads)
        shuffled = random.Random(1).sample(range(len(texts)), len(texts))
        threes = [shuffled[at : at + 3] for at in range(0, len(texts), 3)]
        found = [_log_odds(model, EngineConfig(threads=threads, reproducible=True), texts, [range(len(texts))])]
        for runs in ([range(len(texts))], [shuffled], threes):
            found.append(_log_odds(model, batched, texts, runs))
        with _guard(model, batched) as guard:
            tolerance = guard.measure_tolerance()
            least = floor(model.llama.description)
            description = model.llama.description
    movement = np.max(found, axis=0) - np.min(found, axis=0)
    return {
        "model": Path(path).stem,
        "quantization": description.split(" ", 2)[2].removeprefix("(guessed) "),
        "kernels": _kernels(),
        "prompts": len(texts),
        "floor": least,
        "tolerance": round(tolerance, 4),
        "movement_p50": round(float(np.quantile(movement, 0.5)), 5),
        "movement_p99": round(float(np.quantile(movement, 0.99)), 4),
        "movement_max": round(float(movement.max()), 4),
        "covered": round(float((movement <= tolerance).mean()), 4),
    }


def _key(row: dict[str, object]) -> tuple[object, ...]:
    return row["model"], row["kernels"]


def _texts(source: str, count: int) -> list[str]:
    records = (record for record in formats.ReadOptions().read([source]) if isinstance(record, Record))
    messages = (shown[-1].text for record in records if (shown := turns(record.conversation).shown))
    return list(islice((text for text in messages if text.strip() and len(text) <= LONGEST), count))


def _guard(model: Model, engine: EngineConfig) -> Guard:
    return Guard(model, "llama-guard-3", config=JudgeConfig(allow_unverified_model=True, threshold=1), engine=engine)


def _log_odds(model: Model, engine: EngineConfig, texts: Sequence[str], runs: Sequence[Sequence[int]]) -> Odds:
    """The log-odds of "unsafe" of each text, judged in runs of the texts of these indices."""
    found = np.full(len(texts), np.nan)
    with _guard(model, engine) as guard:
        for run in runs:
            for at, verdict in zip(run, guard.check(texts[at] for at in run), strict=True):
                score = math.nan if verdict.score is None else verdict.score
                found[at] = math.log(score) - math.log1p(-score) if 0 < score < 1 else math.nan
    return found


def _kernels() -> str:
    """The widest vector instructions that llama.cpp was built for."""
    features = build().features
    return next((name for name in ("AVX512", "AVX2", "NEON") if f"{name} = 1" in features), "others")


if __name__ == "__main__":
    main()
