"""Measure everything but the model: reading, rendering, encoding, filling batches, judging and writing.

    python -m benchmarks.host --model random-small-q8_0.gguf --prompts openai_mod.jsonl.gz

The engine is guard's own on a context that evaluates nothing, so what is left is what guard costs on the host. It is
held against a bare loop of llama_tokenize over the same messages, which no guard can do without, and its stages are
timed one by one. With --records the messages come over and over, and the peak of memory is told for 10,000 and for that
many.
"""

from __future__ import annotations

import io
import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeVar

import click
import llama_cpp

from benchmarks.stages import Stages
from benchmarks.workloads import TEMPLATE, TURNS, Workload, distinct
from guardcli import Guard, JudgeConfig, Model, Offload, formats
from guardcli.conversation import Malformed, Record
from guardcli.engine import BatchedEngine, ContextParams, EngineConfig, Logits, MemoryUsage, Resources
from guardcli.engine.context import LlamaContext
from guardcli.engine.sizing import autotune
from guardcli.judging.writers import WRITERS
from guardcli.prompts import TEMPLATES, Renderer
from guardcli.prompts.turns import SPEAKERS, turns

UNSAFE_EVERY = 5

T = TypeVar("T")


class NullContext(LlamaContext):
    """A context that takes batches and evaluates nothing; every fifth query is answered with "unsafe"."""

    def __init__(self, params: ContextParams) -> None:
        self.params = params
        self.memory_usage = MemoryUsage(params.kv_cells, 0, 0)
        self._handle = True
        self._num_queries = 0
        self._twins = False
        self._allocate_batch(params)

    def decode(self) -> None:
        pass

    def get_logits(self, row: int, token_ids: Sequence[int]) -> Logits:
        self._num_queries += 1
        unsafe = 1.0 if self._num_queries % UNSAFE_EVERY == 0 else -1.0
        return Logits((-unsafe, unsafe, *(0.0 for _ in token_ids[2:])), 1.1269)

    def copy_sequence(self, source: int, target: int, length: int) -> None:
        pass

    def remove_sequence(self, seq_id: int, start: int = 0) -> None:
        pass

    def clear_cache(self) -> None:
        pass

    def close(self) -> None:
        self._handle = None


def evaluated_per_distinct(workload: Workload, model: Model, texts: Sequence[str], count: int) -> float:
    """How many tokens guard's engine evaluates for each that is distinct, over a file of some `count` prompts.

    Distinct are the nodes of the prefix tree over the whole file: no engine can do with less.
    """
    items = workload.items(texts, model.vocab, count // (TURNS if workload.target == "any" else 1))
    renderer = Renderer(TEMPLATES[TEMPLATE], workload.policy())
    prefix_lens = [len(model.vocab.encode(renderer.prefix(speaker))) for speaker in SPEAKERS]
    engine = null_engine(prefix_lens, offloaded=False)
    config = JudgeConfig(target=workload.target, allow_unverified_model=True, threshold=1.0)
    guard = Guard(model, workload.policy(), config=config, engine=engine)
    for _ in guard.check(item.conversation for item in items):
        pass
    guard.close()
    return engine.stats.prefill_tokens / distinct([prompt.tokens.tolist() for item in items for prompt in item.prompts])


@click.command(help=__doc__)
@click.option("--model", "path", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--prompts", "source", type=click.Path(exists=True), required=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--times", default=5, show_default=True, help="How often the messages stand in the input.")
@click.option("--records", type=int, help="Judge so many, and tell the peak of memory.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("host.json"), show_default=True)
def main(path: Path, source: str, rounds: int, times: int, records: int | None, out: Path) -> None:
    with Model.load(path, template="llama-guard-3-8b", offload=Offload("off")) as model:
        content, texts = _content(source)
        result = _speeds(model, content * times, texts * times, rounds)
        if records:
            result["memory"] = _memory(model, content, records)
        result["stages_alone_microseconds_a_record"] = _stages(model, content, rounds)
    out.write_text(json.dumps(result, indent=2) + "\n")
    click.echo(json.dumps(result, indent=2))


def _content(source: str) -> tuple[bytes, list[bytes]]:
    """A source as JSON Lines of one message each, and these messages."""
    found = [record for record in formats.ReadOptions().read([source]) if isinstance(record, Record)]
    texts = [shown[-1].text for record in found if (shown := turns(record.conversation).shown)]
    lines = (json.dumps({"id": str(n), "messages": [{"role": "user", "content": t}]}) for n, t in enumerate(texts))
    return "".join(f"{line}\n" for line in lines).encode(), [text.encode() for text in texts]


def _speeds(model: Model, content: bytes, texts: Sequence[bytes], rounds: int) -> dict[str, object]:
    """Seconds a record, medians over interleaved rounds: on one core and on all."""
    ways: dict[str, Callable[[], None]] = {
        "tokenize": lambda: _on_one_core(lambda: _tokenize(model, texts)),
        "guard_one_core": lambda: _on_one_core(lambda: _judge(model, content)),
        "guard": lambda: _judge(model, content),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append((time.perf_counter() - start) / len(texts))
    found = {name: median(values) for name, values in seconds.items()}
    return {
        "records": len(texts),
        "cores": len(os.sched_getaffinity(0)),
        "microseconds_a_record": {name: round(value * 1e6, 1) for name, value in found.items()},
        "own_microseconds_a_record": round((found["guard_one_core"] - found["tokenize"]) * 1e6, 1),
        "share_of_tokenize_one_core": round(found["tokenize"] / found["guard_one_core"], 3),
        "share_of_tokenize": round(found["tokenize"] / found["guard"], 3),
    }


def _tokenize(model: Model, texts: Sequence[bytes]) -> None:
    room = max(map(len, texts)) + 8
    buffer = (llama_cpp.llama_token * room)()
    vocab = model.llama.vocab
    for text in texts:
        llama_cpp.llama_tokenize(vocab, text, len(text), buffer, room, False, False)


def _judge(model: Model, content: bytes, source: Iterator[Record | Malformed] | None = None) -> None:
    guard = Guard(model, "llama-guard-3", config=JudgeConfig(allow_unverified_model=True), engine=null_engine())
    line = WRITERS["json"]
    records = source or formats.ReadOptions().read_stream(io.BytesIO(content), formats.StreamPart("prompts.jsonl"))
    with open(os.devnull, "wb", buffering=0) as sink:
        for verdict in guard.judge(records, prefetch="full"):
            sink.write((line(verdict) + "\n").encode())
    guard.close()


def _stages(model: Model, content: bytes, rounds: int) -> dict[str, float]:
    engine = null_engine()
    with Guard(model, "llama-guard-3", config=JudgeConfig(allow_unverified_model=True), engine=engine) as guard:
        found = _on_one_core(Stages(guard, engine, content, rounds).seconds)
    return {name: round(seconds * 1e6, 1) for name, seconds in found.items()}


def null_engine(
    prefix_lens: Sequence[int] = (256, 256), *, offloaded: bool = True, context: type[NullContext] = NullContext
) -> BatchedEngine:
    resources = Resources(
        n_ctx_train=8192,
        sliding_window=False,
        kv_bytes_per_token=1,
        free_memory=None,
        offloaded=offloaded,
        cores=1,
    )
    return BatchedEngine(context(autotune(resources, EngineConfig(), prefix_lens)))


def _on_one_core(work: Callable[[], T]) -> T:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        return work()
    finally:
        os.sched_setaffinity(0, allowed)


def _memory(model: Model, content: bytes, records: int) -> dict[str, float]:
    """The peak of memory in MB, and records a second, for 10,000 records and for more."""

    def endless() -> Iterator[Record | Malformed]:
        while True:
            yield from formats.ReadOptions().read_stream(io.BytesIO(content), formats.StreamPart("prompts.jsonl"))

    found: dict[str, float] = {}
    for count in (10_000, records):
        start = time.perf_counter()
        _judge(model, content, islice(endless(), count))
        found[f"records_per_second_{count}"] = round(count / (time.perf_counter() - start), 1)
        found[f"peak_mb_{count}"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return found


if __name__ == "__main__":
    main()
