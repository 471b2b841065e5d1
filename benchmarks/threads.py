"""Measure the throughput of one guard with many callers at once: threads, asyncio tasks, and callers that go away.

    python -m benchmarks.threads --model random-small-q8_0.gguf --calls 20 --prompts openai_mod.jsonl.gz
    python -m benchmarks.threads --model tiny.gguf --calls 2000 --prompts openai_mod.jsonl.gz

Each round judges the same texts in every way, one after the other: by one caller, by threads and by tasks that ask for
one text at a time, and by threads of which some leave their calls. Figures are medians; a ratio is to the one caller of
the same round, in prompts a second. Every answer is compared with the one caller's: its text, and its score.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import click

from guardcli import EngineConfig, Guard, JudgeConfig, ModelConfig, Verdict, formats
from guardcli.conversation import Record
from guardcli.prompts.turns import turns

TEMPLATE = "llama-guard-3-8b"
LONGEST = 300  # characters of a text: most chat messages are shorter
LEAVES = 0.2  # the share of calls that a caller leaves


class Callers:
    """The ways to judge texts with one guard. Each returns its verdicts, those of calls that were left aside."""

    def __init__(self, guard: Guard, texts: Sequence[str], threads: int, tasks: int) -> None:
        self._guard, self._texts, self._threads, self._tasks = guard, texts, threads, tasks

    def one_caller(self) -> list[Verdict]:
        return list(self._guard.check(self._texts))

    def threads(self) -> list[Verdict]:
        return self._in_threads(lambda texts, _: map(self._guard.check_one, texts))

    def threads_that_leave(self) -> list[Verdict]:
        return self._in_threads(self._some)

    def tasks(self) -> list[Verdict]:
        async def one(texts: Sequence[str]) -> list[Verdict]:
            return [await self._guard.acheck_one(text) for text in texts]

        async def everything() -> list[list[Verdict]]:
            return await asyncio.gather(*(one(self._texts[at :: self._tasks]) for at in range(self._tasks)))

        return [verdict for verdicts in asyncio.run(everything()) for verdict in verdicts]

    def tasks_that_leave(self) -> list[Verdict]:
        async def one(texts: Sequence[str], rng: random.Random) -> list[Verdict]:
            verdicts = []
            for text in texts:
                patience = rng.random() * 0.02 if rng.random() < LEAVES else None
                try:
                    verdicts.append(await asyncio.wait_for(self._guard.acheck_one(text), patience))
                except asyncio.TimeoutError:
                    continue
            return verdicts

        async def everything() -> list[list[Verdict]]:
            slices = [self._texts[at :: self._tasks] for at in range(self._tasks)]
            return await asyncio.gather(*(one(texts, random.Random(at)) for at, texts in enumerate(slices)))

        return [verdict for verdicts in asyncio.run(everything()) for verdict in verdicts]

    def _some(self, texts: Sequence[str], rng: random.Random) -> Iterator[Verdict]:
        """Ask for one to eight texts at a time, and leave some of these calls after the first verdict."""
        at = 0
        while at < len(texts):
            size = rng.randrange(1, 9)
            verdicts = self._guard.check(texts[at : at + size])
            yield from islice(verdicts, 1 if rng.random() < LEAVES else None)
            at += size

    def _in_threads(self, work: Callable[[Sequence[str], random.Random], Iterator[Verdict]]) -> list[Verdict]:
        slices = [self._texts[at :: self._threads] for at in range(self._threads)]
        with ThreadPoolExecutor(self._threads) as pool:
            lists = pool.map(lambda at: list(work(slices[at], random.Random(at))), range(self._threads))
            return [verdict for verdicts in lists for verdict in verdicts]


@click.command(help=__doc__)
@click.option("--model", "paths", type=click.Path(exists=True), multiple=True, required=True)
@click.option("--prompts", "source", type=click.Path(exists=True), required=True)
@click.option("--callers", default=32, show_default=True, help="Threads.")
@click.option("--tasks", default=64, show_default=True, help="asyncio tasks.")
@click.option("--calls", default=2000, show_default=True, help="Texts for each thread.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--threads", default=os.cpu_count() or 1, show_default=True, help="Of llama.cpp.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("threads.json"), show_default=True)
def main(
    paths: Sequence[str], source: str, callers: int, tasks: int, calls: int, rounds: int, threads: int, out: Path
) -> None:
    found: dict[str, object] = {"cores": os.cpu_count(), "callers": callers, "tasks": tasks}
    for path in paths:
        texts = _texts(source, callers * calls)
        config = JudgeConfig(allow_unverified_model=True, text=True)
        engine = EngineConfig(threads=threads)
        with Guard(ModelConfig(path, template=TEMPLATE, gpu="off"), config=config, engine=engine) as guard:
            found[Path(path).stem] = measure(guard, Callers(guard, texts, callers, tasks), rounds)
    out.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))


def measure(guard: Guard, callers: Callers, rounds: int) -> dict[str, object]:
    """Prompts a second of each way, and its ratio to one caller."""
    ways = {
        "one caller": callers.one_caller,
        "threads": callers.threads,
        "tasks": callers.tasks,
        "threads that leave": callers.threads_that_leave,
        "tasks that leave": callers.tasks_that_leave,
    }
    expected = {verdict.text: verdict for verdict in callers.one_caller()}
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, int] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            before, start = guard.stats.prompts, time.perf_counter()
            verdicts = way()
            speeds[name].append((guard.stats.prompts - before) / (time.perf_counter() - start))
            answers[name] = len(verdicts)
            check(verdicts, expected, guard.measure_tolerance(), every="leave" not in name)
    base = speeds["one caller"]
    return {
        name: {
            "answers": answers[name],
            "prompts_per_second": round(median(values), 1),
            "ratio": round(median(value / one for value, one in zip(values, base, strict=True)), 3),
        }
        for name, values in speeds.items()
    }


def check(verdicts: Sequence[Verdict], expected: dict[str | None, Verdict], tolerance: float, *, every: bool) -> None:
    """Raises ClickException: a verdict was lost, doubled or crossed, or a score moved by more than it may."""
    texts = {verdict.text for verdict in verdicts}
    if len(texts) != len(verdicts) or (every and texts != expected.keys()) or not texts <= expected.keys():
        raise click.ClickException(f"{len(verdicts)} verdicts about {len(texts)} texts; expected {len(expected)}")
    moved = max(abs(_log_odds(verdict) - _log_odds(expected[verdict.text])) for verdict in verdicts)
    if moved > 2 * tolerance:  # 99 % of all prompts move by less than the tolerance
        raise click.ClickException(f"a score moved by {moved:.3g} in log-odds; the tolerance is {tolerance:.3g}")


def _log_odds(verdict: Verdict) -> float:
    score = verdict.score if verdict.score is not None else math.nan
    return math.log(score) - math.log1p(-score) if 0 < score < 1 else 0.0


def _texts(source: str, count: int) -> list[str]:
    """So many different texts, made of the messages of a file."""
    records = (record for record in formats.ReadOptions().read([source]) if isinstance(record, Record))
    messages = [shown[-1].text[:LONGEST] for record in records if (shown := turns(record.conversation).shown)]
    return [f"{number}. {text}" for number, text in enumerate(islice(cycle(messages), count))]


if __name__ == "__main__":
    main()
