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

__all__ = ["BatchedEngine", "CanonicalEngine", "Counts", "Engine", "Options", "Probe", "Reading", "Step", "Task",
           "open_engine"]  # fmt: skip

DEFAULT_CTX = 8192
MAX_PARALLEL = MAX_SEQUENCES - MAX_HEADS - 2  # a number each for the heads, the last one, and a new one


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may set: the longest prompt in tokens, prompts at a time, CPU threads. None: chosen here.

    `canonical` gives every prompt the same shape, which makes scores reproducible to the bit, and slower.
    """

    ctx_size: int | None = None
    parallel: int | None = None
    threads: int | None = None
    canonical: bool = False


def open_engine(model: NativeModel, options: Options | None = None) -> Engine:
    """An engine on a model. Raises EngineError: llama.cpp cannot make a context of that size."""
    options = options or Options()
    ctx = options.ctx_size or min(model.n_ctx_train, DEFAULT_CTX)
    if options.canonical:
        shape = Shape(cells=_round_up(ctx), batch=_batch(model, ctx), sequences=1, outputs=8, threads=options.threads)
        return CanonicalEngine(Context(model, shape))
    parallel = options.parallel or 64
    if parallel > MAX_PARALLEL:
        raise EngineError(f"--parallel {parallel}: at most {MAX_PARALLEL} prompts fit llama.cpp's sequences")
    sequences = parallel + MAX_HEADS + 2
    cells = _round_up(2 * ctx)
    shape = Shape(cells, min(_batch(model, cells), cells), sequences, outputs=2 * sequences, threads=options.threads)
    return BatchedEngine(Context(model, shape))


def _batch(model: NativeModel, cells: int) -> int:
    return min(2048 if model.offloaded else 512, cells)


def _round_up(cells: int) -> int:
    return -(-cells // 256) * 256
