"""Token ids → logits through llama.cpp, by the fast engine or the canonical one. Free of text and verdicts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from guardcli.engine import resources
from guardcli.engine.batched import BatchedEngine
from guardcli.engine.context import Context
from guardcli.engine.deterministic import DeterministicEngine
from guardcli.engine.request import (
    MAX_ANSWER_TOKENS,
    Engine,
    EngineStats,
    LogitCoroutine,
    LogitQuery,
    Logits,
    MemoryUsage,
    RequestGroups,
    RequestStep,
)
from guardcli.engine.sizing import MAX_PARALLEL, EngineOptions, FlashAttention, Room, choose, explained
from guardcli.models.llama import LlamaModel

__all__ = [
    "MAX_ANSWER_TOKENS",
    "MAX_PARALLEL",
    "BatchedEngine",
    "DeterministicEngine",
    "Engine",
    "EngineOptions",
    "EngineStats",
    "FlashAttention",
    "LogitCoroutine",
    "LogitQuery",
    "Logits",
    "MemoryUsage",
    "RequestGroups",
    "RequestStep",
    "Room",
    "open_engine",
]

_log = logging.getLogger(__name__)


def open_engine(model: LlamaModel, options: EngineOptions | None = None, *, heads: Sequence[int] = ()) -> Engine:
    """An engine on a model; `heads` are the lengths of the heads that its prompts are known to have.

    Raises:
        EngineError: the context is longer than the model was trained for, or llama.cpp cannot make it.
    """
    options = options or EngineOptions()
    room = Room(
        trained=model.n_ctx_train,
        cell=model.kv_bytes_per_token,
        free=model.free_gpu_memory() if model.offloaded else resources.free_memory(model.size),
        offloaded=model.offloaded,
        cores=resources.available_cores(),
    )
    shape = choose(room, options, heads)
    _log.info(explained(shape, room))
    context = Context(model, shape)
    return DeterministicEngine(context) if options.reproducible else BatchedEngine(context)
