"""Token ids → logits through llama.cpp, by the fast engine or the canonical one. Free of text and verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from guardcli.engine.batched import BatchedEngine
from guardcli.engine.canonical import CanonicalEngine
from guardcli.engine.context import MAX_SEQUENCES, Context, Shape
from guardcli.engine.plan import MAX_HEADS
from guardcli.engine.task import Counts, Engine, Probe, Reading, Step, Task
from guardcli.errors import EngineError
from guardcli.model.llama import NativeModel

__all__ = [
    "MAX_PARALLEL",
    "BatchedEngine",
    "CanonicalEngine",
    "Counts",
    "Engine",
    "Options",
    "Probe",
    "Reading",
    "Step",
    "Task",
    "open_engine",
]  # fmt: skip

DEFAULT_CTX = 8192

# Prompts at a time. In a batch every token is held against the cells of all sequences in it, masked or not: on a CPU
# that costs more than a larger batch gains. 170 M parameters in Q8_0 on 2 cores, time against 64 at a time, medians of
# 5 interleaved rounds: prompts of 190 tokens 0.95 (1), 0.98 (2), 0.96 (4); of 80 tokens 1.09, 1.02, 0.97.
PARALLEL_ON_CPU, PARALLEL_ON_GPU = 4, 64

MAX_PARALLEL = MAX_SEQUENCES - MAX_HEADS - 2  # a number each for the heads, the last one, and a new one


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may set: the longest prompt in tokens, prompts at a time, CPU threads. None: chosen here.

    `reproducible` takes the canonical path, which gives every prompt the same shape: scores are then the same bits
    whatever else is judged beside it, and slower.
    """

    ctx_size: int | None = None
    parallel: int | None = None
    threads: int | None = None
    reproducible: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError: a number below 1, or more prompts at a time than llama.cpp has sequences for."""
        if any(number is not None and number < 1 for number in (self.ctx_size, self.parallel, self.threads)):
            raise ValueError("ctx_size, parallel and threads are at least 1")
        if self.parallel is not None and self.parallel > MAX_PARALLEL:
            raise ValueError(f"parallel is at most {MAX_PARALLEL}")


def open_engine(model: NativeModel, options: Options | None = None) -> Engine:
    """An engine on a model.

    Raises:
        EngineError: the context is longer than the model was trained for, or llama.cpp cannot make it.
    """
    options = options or Options()
    ctx = options.ctx_size or min(model.n_ctx_train, DEFAULT_CTX)
    if ctx > model.n_ctx_train:
        raise EngineError(f"--ctx-size {ctx:,}: the model was trained on up to {model.n_ctx_train:,} tokens")
    default = PARALLEL_ON_GPU if model.offloaded else PARALLEL_ON_CPU
    spare = 0 if options.reproducible else MAX_HEADS + 2
    sequences = spare + (1 if options.reproducible else options.parallel or default)
    cells = _round_up(ctx if options.reproducible else 2 * ctx)
    batch = min(2048 if model.offloaded else 512, cells)
    context = Context(model, Shape(cells, batch, sequences, 2 * sequences, spare, options.threads))
    return CanonicalEngine(context) if options.reproducible else BatchedEngine(context)


def _round_up(cells: int) -> int:
    return -(-cells // 256) * 256
