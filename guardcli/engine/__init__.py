"""Token ids → logits through llama.cpp, by the fast, batched engine or the deterministic one."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from guardcli.engine.batched import BatchedEngine
from guardcli.engine.context import LlamaContext
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
from guardcli.engine.resources import available_cores, free_memory
from guardcli.engine.sizing import (
    MAX_PARALLEL,
    ContextParams,
    EngineConfig,
    FlashAttention,
    Resources,
    autotune,
    explain,
)
from guardcli.models.llama import LlamaModel, free_gpu_memory

__all__ = [
    "MAX_ANSWER_TOKENS",
    "MAX_PARALLEL",
    "BatchedEngine",
    "ContextParams",
    "DeterministicEngine",
    "Engine",
    "EngineConfig",
    "EngineStats",
    "FlashAttention",
    "LogitCoroutine",
    "LogitQuery",
    "Logits",
    "MemoryUsage",
    "RequestGroups",
    "RequestStep",
    "Resources",
    "open_engine",
]

_log = logging.getLogger(__name__)


def open_engine(model: LlamaModel, options: EngineConfig | None = None, *, prefix_lens: Sequence[int] = ()) -> Engine:
    """Open an engine on a model; `prefix_lens` are the lengths in tokens of the prefixes that its prompts have.

    Raises:
        EngineError: the context is longer than the model was trained for, or llama.cpp cannot make it.
    """
    options = options or EngineConfig()
    resources = Resources(
        n_ctx_train=model.n_ctx_train,
        sliding_window=model.sliding_window > 0,
        kv_bytes_per_token=model.kv_bytes_per_token,
        free_memory=free_gpu_memory() if model.offloaded else free_memory(model.size),
        offloaded=model.offloaded,
        cores=available_cores(),
    )
    params = autotune(resources, options, prefix_lens)
    _log.info(explain(params, resources))
    context = LlamaContext(model, params)
    return DeterministicEngine(context) if options.reproducible else BatchedEngine(context)
