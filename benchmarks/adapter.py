"""Measure what a LoRA adapter costs when a model judges with it.

    python -m benchmarks.adapter --model SmolLM2-135M-Instruct.Q4_1.gguf --lora adapter.gguf --prompts chats.jsonl

Each round judges the same texts with the model alone, under the adapter's template, and with the adapter. The model
alone has the speed that a file with merged weights of the same quantization would have.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from benchmarks.timing import interleaved
from benchmarks.workloads import read_texts
from guardcli import EngineConfig, Guard, JudgeConfig, ModelConfig
from guardcli.models import Adapter

ALONE, ADAPTED = "model alone", "with the adapter"


@click.command(help=__doc__)
@click.option("--model", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--lora", "adapter", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--template", default="smol-guard", show_default=True)
@click.option("--prompts", "source", type=click.Path(exists=True), required=True, help="Any format that guard reads.")
@click.option("--count", default=200, show_default=True, help="Texts in each round.")
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("adapter.json"), show_default=True)
def main(
    model: Path, adapter: Path, template: str, source: str, count: int, threads: int, rounds: int, out: Path
) -> None:
    texts = read_texts(source)[:count]
    # The model alone answers no verdicts; and no categories are read, of which the two would list different numbers.
    config = JudgeConfig(threshold=1.0, allow_unverified_model=True)
    engine = EngineConfig(threads=threads)
    configs = {
        ALONE: ModelConfig(model, template=template),
        ADAPTED: ModelConfig(model, template=template, adapters=(Adapter(adapter),)),
    }
    guards = {name: Guard(one, config=config, engine=engine) for name, one in configs.items()}
    try:
        timed = interleaved({name: partial(_judge, guard, texts) for name, guard in guards.items()}, rounds)
    finally:
        for guard in guards.values():
            guard.close()
    found = {
        "model": model.name,
        "adapter": adapter.name,
        "threads": threads,
        "texts": len(texts),
        "rounds": rounds,
        **timed.against(ALONE),
    }
    out.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))


def _judge(guard: Guard, texts: list[str]) -> None:
    for _ in guard.check(texts):
        pass


if __name__ == "__main__":
    main()
