"""Measure what a message costs to judge with the prompt of each family, on random models of one size.

    python -m benchmarks.families --vocabulary ggml-vocab-llama-bpe.gguf --out benchmarks/results/families.json

All models have the same matrices and the same vocabulary, that of Llama 3, and the architecture of their family: what
differs is the shape of the prompt, and how many a message takes. Real models differ in size as well. Each family is
asked about the taxonomy that it was trained on, and judges the last message of as many exchanges of random English
words, with the categories of unsafe messages left unread. The seconds are CPU time of one thread, in interleaved
rounds, so that other work on the machine counts little; the tokens are exact.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks import models
from benchmarks.timing import interleaved
from guardcli import Conversation, EngineConfig, Guard, JudgeConfig, Message, Model
from guardcli.conversation import Key, Record
from guardcli.models import Offload
from guardcli.models.model_info import special_tokens
from guardcli.prompts import TEMPLATES

BASE = "llama-guard-3-8b"
ARCHITECTURES = {
    "qwen3guard": "qwen3", "dynaguard": "qwen3", "granite-guardian-3": "granite", "granite-guardian-3.1": "granite",
    "granite-guardian-3.2": "granite", "granite-guardian-4.1": "granite",
    "shieldgemma": "gemma2", "shieldstral": "mistral3",
}  # fmt: skip
# Of the same prompts as another one.
_SAME = frozenset({"qwen3guard-loose"})
FAMILIES = [name for name in TEMPLATES if name not in _SAME]

USER_WORDS, ASSISTANT_WORDS = 30, 90
_WORDS = (
    "the", "a", "of", "to", "and", "in", "that", "it", "is", "for", "on", "with", "as", "was", "at", "by", "this",
    "from", "have", "or", "one", "had", "not", "but", "what", "all", "were", "when", "we", "there", "can", "an",
    "your", "which", "their", "said", "if", "do", "will", "each", "about", "how", "up", "out", "them", "then",
    "she", "many", "some", "so", "these", "would", "other", "into", "has", "more", "her", "two", "like", "him",
    "see", "time", "could", "no", "make", "than", "first", "been", "its", "who", "now", "people", "my", "made",
    "over", "did", "down", "only", "way", "find", "use", "may", "water", "long", "little", "very", "after", "words",
    "called", "just", "where", "most", "know", "get", "through", "back", "much", "before",
)  # fmt: skip


@click.command(help=__doc__)
@click.option("--vocabulary", type=click.Path(exists=True, path_type=Path), required=True, help="A GGUF of llama.cpp.")
@click.option("--shape", type=click.Choice(list(models.SHAPES)), default="tiny", show_default=True)
@click.option(
    "--family", "names", type=click.Choice(FAMILIES), multiple=True, help="Default: all. OUT keeps the other ones."
)
@click.option("--count", default=20, show_default=True, help="Messages in each round.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("families.json"), show_default=True)
def main(vocabulary: Path, shape: str, names: tuple[str, ...], count: int, rounds: int, out: Path) -> None:
    before = json.loads(out.read_text())["families"] if names and out.exists() else {}
    measured = measure(models.SHAPES[shape], vocabulary, names or FAMILIES, count=count, rounds=rounds)
    every = {**measured, **before, **{name: measured[name] for name in names}}
    result = {
        "machine": {"cores": os.cpu_count(), "processor": _processor(), "threads": 1},
        "shape": shape,
        "quantization": "q8_0",
        "messages": {"count": count, "rounds": rounds, "words": [USER_WORDS, ASSISTANT_WORDS]},
        "families": {name: every[name] for name in FAMILIES if name in every},
    }
    out.write_text(json.dumps(result, indent=2) + "\n")
    click.echo(json.dumps(result, indent=2))


def measure(
    shape: models.Shape, vocabulary: Path, names: Sequence[str], *, count: int, rounds: int
) -> dict[str, dict[str, Any]]:
    """What a message costs with the prompts of some families, and of the one that they are compared with."""
    chosen = [name for name in FAMILIES if name in names or name == BASE]
    records = exchanges(count)
    guards: dict[str, Guard] = {}
    loaded: dict[str, Model] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            loaded = _models(Path(folder), shape, vocabulary, chosen)
            for name in chosen:
                guards[name] = _guard(loaded[_architecture(name)], name)
            tokens = {name: _evaluated(guard, records) for name, guard in guards.items()}
            ways = {name: partial(_judge, guard, records) for name, guard in guards.items()}
            timed = interleaved(ways, rounds, clock=time.process_time)
        finally:
            for guard in guards.values():
                guard.close()
            for model in loaded.values():
                model.close()
    ratios = timed.against(BASE)
    return {
        name: {
            "architecture": _architecture(name),
            **tokens[name],
            "messages_per_cpu_second": round(count / median(seconds), 1),
            "times_the_base": ratios[name]["ratio"],
        }
        for name, seconds in timed.seconds.items()
    }


def exchanges(count: int) -> list[Record]:
    """A user's message and an assistant's, of random English words, so often."""
    rng = random.Random(1)
    said = [
        (Message("user", _text(rng, USER_WORDS)), Message("assistant", _text(rng, ASSISTANT_WORDS)))
        for _ in range(count)
    ]
    return [Record(Key(None, number), Conversation(messages)) for number, messages in enumerate(said, start=1)]


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words)).capitalize() + "."


def _models(folder: Path, shape: models.Shape, vocabulary: Path, names: Sequence[str]) -> dict[str, Model]:
    """A model of each architecture of some families; the families of one share it."""
    special = sorted(set().union(*(special_tokens(TEMPLATES[name]) for name in names)))
    loaded = {}
    for architecture in dict.fromkeys(_architecture(name) for name in names):
        path = models.write(
            folder / f"{architecture}.gguf",
            shape,
            models.QUANTIZATIONS["q8_0"],
            vocabulary,
            architecture=architecture,
            special_tokens=special,
        )
        template = next(name for name in names if _architecture(name) == architecture)
        loaded[architecture] = Model.load(path, template=template, offload=Offload("off"))
    return loaded


def _architecture(name: str) -> str:
    return ARCHITECTURES.get(name, "llama")


def _guard(model: Model, name: str) -> Guard:
    # A random model answers with anything, and what it would list says nothing.
    config = JudgeConfig(target="last", threshold=1.0, allow_unverified_model=True)
    engine = EngineConfig(threads=1, max_prompt_tokens=4096)
    return Guard(replace(model, template=name), config=config, engine=engine, warn=False)


def _evaluated(guard: Guard, records: list[Record]) -> dict[str, Any]:
    """The prompts that a message takes, and the tokens that are evaluated for it, once the policy is in the cache."""
    for _ in range(2):  # the first time, the policy is not in the cache
        _judge(guard, records)
    stats = guard.stats
    return {
        "categories": len(guard.taxonomy.categories),
        "prompts_a_message": stats.prompts // len(records),
        "evaluated_a_message": round(stats.prefill_tokens / len(records), 1),
    }


def _judge(guard: Guard, records: list[Record]) -> None:
    guard.reset(records)
    for _ in guard.judge(records, check_answers=False):
        pass


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
