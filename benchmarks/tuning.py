"""Measure a training step whose examples share a prefix against one that evaluates the whole prompt of each example.

    guard tune prepare chats.jsonl -o train.jsonl --template smol-guard --copies 0
    python -m benchmarks.tuning --base SmolLM2-135M-Instruct.Q4_1.gguf --data train.jsonl

The ways take the same examples in each step, in interleaved rounds. Before that, the losses and the gradients of all
matrices of the adapter are compared. The third way is that of guard 0.1: whole prompts, two at a time. With --bfloat16,
the fourth has a shared prefix in that type, and its loss with the same adapter is shown, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import mean
from typing import Any

import click

from benchmarks.timing import interleaved
from guardcli.training import LoraModel, TokenCounts, TokenizedDataset, TokenizedExample, TrainConfig, open_base
from guardcli.training.prefix_groups import prefix_labels
from guardcli.training.sampler import sample_batches

WHOLE, SHARED, FIRST_VERSION, BFLOAT16 = "whole prompts", "shared prefix", "0.1", "bfloat16"
_BATCH_SIZE_OF_FIRST_VERSION = 2


@dataclass(frozen=True, slots=True)
class Way:
    """A way to train: a model with its batch size, and the examples of each step, with or without their prefixes."""

    model: LoraModel
    steps: Sequence[Sequence[TokenizedExample]]


@click.command(help=__doc__)
@click.option("--base", "base_path", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Of guard tune prepare.")
@click.option("--max-length", default=400, show_default=True, help="Longer examples are left out.")
@click.option("--batch-size", default=32, show_default=True)
@click.option("--accumulate", default=1, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=5, show_default=True, help="Steps of each way, each with other examples.")
@click.option("--bfloat16", is_flag=True, help="Also in bfloat16, for CPUs that have it.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("tuning.json"), show_default=True)
def main(
    base_path: Path,
    data: Path,
    max_length: int,
    batch_size: int,
    accumulate: int,
    threads: int,
    rounds: int,
    bfloat16: bool,
    out: Path,
) -> None:
    config = TrainConfig(batch_size=batch_size, gradient_accumulation_steps=accumulate)
    base = open_base(base_path)
    examples = TokenizedDataset.from_file(data, base.tokenizer(), max_length=max_length).examples
    steps = _steps(examples, config, rounds + 1)
    whole = [[replace(example, prefix_length=0) for example in step] for step in steps]
    model = LoraModel(base, config, threads=threads)
    first_version = LoraModel(base, replace(config, batch_size=_BATCH_SIZE_OF_FIRST_VERSION), threads=threads)
    ways = {
        SHARED: Way(model, steps),
        WHOLE: Way(model, whole),
        FIRST_VERSION: Way(first_version, whole),
    }
    if bfloat16:
        ways[BFLOAT16] = Way(LoraModel(base, replace(config, dtype="bfloat16"), threads=threads), steps)
    for trained in dict.fromkeys(way.model for way in ways.values()):
        for _ in range(2):  # B is zero at the start, and so is the gradient of A
            trained.train_step(steps[0], learning_rate=1e-3)
    found = {
        "base": base_path.name,
        "device": model.device,
        "threads": threads,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "rounds": rounds,
        "prefix_tokens": round(mean(example.prefix_length for step in steps for example in step), 1),
        "body_tokens": round(mean(len(e.tokens) - e.prefix_length for step in steps for e in step), 1),
        **_differences(ways, steps[0], whole[0]),
        **_timed(ways, config, rounds),
    }
    out.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))


def _steps(examples: Sequence[TokenizedExample], config: TrainConfig, count: int) -> list[list[TokenizedExample]]:
    """The examples of the first steps of a training."""
    if len(examples) < config.effective_batch_size:
        raise click.ClickException(f"{len(examples)} examples; a step needs {config.effective_batch_size}")
    size = config.effective_batch_size
    batches = sample_batches(prefix_labels(examples), batch_size=size, epochs=count, seed=config.seed)
    return [[examples[index] for index in indices] for indices in islice(batches, count)]


def _differences(
    ways: Mapping[str, Way], shared: Sequence[TokenizedExample], whole: Sequence[TokenizedExample]
) -> dict[str, Any]:
    """The losses of the ways, and the largest difference of a gradient with whole prompts and with a shared prefix,
    relative to the largest of its matrix."""
    model = ways[SHARED].model
    whole_loss = model.compute_gradients(whole)
    gradients = {name: parameter.grad.clone() for name, parameter in model.parameters.items()}
    losses = {WHOLE: whole_loss, SHARED: model.compute_gradients(shared)}
    if BFLOAT16 in ways:
        rounded = ways[BFLOAT16].model
        for name, parameter in model.parameters.items():
            rounded.parameters[name].data.copy_(parameter.data)
        losses[BFLOAT16] = rounded.compute_gradients(shared)
    difference = max(
        float((model.parameters[name].grad - expected).abs().max() / expected.abs().max())
        for name, expected in gradients.items()
    )
    return {"loss": {way: loss.total for way, loss in losses.items()}, "gradient_difference": difference}


def _timed(ways: Mapping[str, Way], config: TrainConfig, rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds and evaluated tokens an example of each way, and how many times as long as with a shared prefix."""
    upcoming = {name: cycle(way.steps) for name, way in ways.items()}

    def step(name: str) -> None:
        ways[name].model.train_step(next(upcoming[name]), learning_rate=0.0)

    timed = interleaved({name: partial(step, name) for name in ways}, rounds)
    medians = timed.against(SHARED)
    count = config.effective_batch_size
    return {
        name: {
            "seconds_a_step": [round(seconds, 2) for seconds in timed.seconds[name]],
            "seconds_an_example": round(medians[name]["milliseconds"] / 1000 / count, 4),
            "tokens_an_example": round(
                mean(TokenCounts.from_examples(examples, config).evaluated / count for examples in way.steps), 1
            ),
            "times_the_shared": medians[name]["ratio"],
        }
        for name, way in ways.items()
    }


if __name__ == "__main__":
    main()
