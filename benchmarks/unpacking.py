"""Measure what it changes to unpack the weights of smol into F16, as `-m smol` does.

    python -m benchmarks.unpacking --prompts chats.jsonl

The same texts are judged with the quantized file and with the unpacked one, in interleaved rounds. `moved` is the
largest difference of a category's score between texts that are judged together and one by one.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.timing import interleaved
from benchmarks.workloads import read_texts
from guardcli import EngineConfig, Guard, ModelConfig, SmallModelWarning, Verdict
from guardcli.models import BUNDLED_MODELS, Adapter
from guardcli.models.lookup import find_model

QUANTIZED, UNPACKED = "quantized", "unpacked"


@click.command(help=__doc__)
@click.option("--prompts", "source", type=click.Path(exists=True), required=True, help="Any format that guard reads.")
@click.option("--count", default=40, show_default=True, help="Texts in each round.")
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("unpacking.json"), show_default=True)
def main(source: str, count: int, threads: int, rounds: int, out: Path) -> None:
    warnings.simplefilter("ignore", SmallModelWarning)
    texts = read_texts(source)[:count]
    smol = BUNDLED_MODELS["smol"]
    configs = {
        QUANTIZED: ModelConfig(find_model("smol"), adapters=(Adapter(smol.adapter),)),
        UNPACKED: ModelConfig("smol"),
    }
    guards = {name: Guard(one, engine=EngineConfig(threads=threads)) for name, one in configs.items()}
    try:
        timed = interleaved({name: partial(_judge, guard, texts) for name, guard in guards.items()}, rounds)
        figures = {
            name: {"threads": threads, "texts": len(texts), "rounds": rounds} | values | _movement(guards[name], texts)
            for name, values in timed.against(QUANTIZED).items()
        }
    finally:
        for guard in guards.values():
            guard.close()
    out.write_text(json.dumps(figures, indent=2) + "\n")
    click.echo(json.dumps(figures, indent=2))


def _judge(guard: Guard, texts: Sequence[str]) -> list[Verdict]:
    return list(guard.check(texts))


def _movement(guard: Guard, texts: Sequence[str]) -> dict[str, Any]:
    """The tolerance, in log-odds of "unsafe", and how far scores move with what is judged beside them."""
    together, alone = _judge(guard, texts), [guard.check_one(text) for text in texts]
    moved = [
        abs(score - (other.category_scores or {})[name])
        for one, other in zip(together, alone, strict=True)
        for name, score in (one.category_scores or {}).items()
    ]
    return {"tolerance": round(together[0].tolerance or 0.0, 4), "moved": round(max(moved), 4)}


if __name__ == "__main__":
    main()
