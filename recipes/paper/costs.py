"""What adapting costs on this machine: seconds of prompting and of training. Run it on an idle machine."""

from __future__ import annotations

import json
import warnings
from functools import partial
from statistics import median
from typing import Any

import click

from benchmarks.timing import interleaved
from guardcli import EngineConfig, Guard, JudgeConfig, ModelConfig, SmallModelWarning, Taxonomy
from guardcli.evaluation.judged_systems import with_shots
from guardcli.training import LoraModel, TokenCounts, TokenizedDataset, TrainConfig, open_base
from recipes.paper.adapting import BATCH_SIZE
from recipes.paper.few_shot import SHOTS
from recipes.paper.workspace import ALPHA, MAX_LENGTH, RANK, Row, Workspace

_NUM_ROWS, _ROUNDS, _STEPS = 20, 3, 3


def costs(workspace: Workspace) -> Row:
    """Seconds of a row by the number of examples, in interleaved rounds, and of a token in training, medians."""
    records = workspace.out / "adapting.jsonl"
    if not records.exists():
        raise click.UsageError("the costs are those of adapting: run --part adapting first")
    lines = records.read_text("utf-8").splitlines()[:_NUM_ROWS]
    rows = [json.loads(line)["messages"] for line in lines]
    policy = Taxonomy.load(workspace.out / "adapting.yaml")
    config, engine = JudgeConfig(target="last"), EngineConfig(threads=workspace.threads)
    warnings.simplefilter("ignore", SmallModelWarning)
    with ModelConfig(workspace.model).load() as model:
        guards = {
            str(shots): Guard(model, with_shots(policy, shots), config=config, engine=engine) for shots in (0, *SHOTS)
        }
        try:
            timed = interleaved({name: partial(_judge, guard, rows) for name, guard in guards.items()}, _ROUNDS)
        finally:
            for guard in guards.values():
                guard.close()
    return {
        "threads": workspace.threads,
        "seconds_a_row": {name: median(seconds) / len(rows) for name, seconds in timed.seconds.items()},
        "tokens_a_second_of_training": _training_speed(workspace),
    }


def _judge(guard: Guard, rows: list[list[dict[str, Any]]]) -> None:
    for _ in guard.check(rows):
        pass


def _training_speed(workspace: Workspace) -> float:
    """The tokens that a training of the adapting experiment evaluates a second."""
    base = open_base(workspace.base)
    config = TrainConfig(lora_rank=RANK, lora_alpha=ALPHA, batch_size=BATCH_SIZE, max_length=MAX_LENGTH)
    path = workspace.out / "adapting" / "base-100.examples.jsonl"
    examples = TokenizedDataset.from_file(path, base.tokenizer(), max_length=MAX_LENGTH).examples[:BATCH_SIZE]
    model = LoraModel(base, config, threads=workspace.threads)
    step = partial(model.train_step, examples, learning_rate=0.0)
    (seconds,) = interleaved({"step": step}, _STEPS).seconds.values()
    return TokenCounts.from_examples(examples, config).evaluated / median(seconds)
