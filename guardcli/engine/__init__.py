"""Token ids → logits through llama.cpp, by the fast engine or the canonical one. Free of text and verdicts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from guardcli.engine import machine
from guardcli.engine.batched import BatchedEngine
from guardcli.engine.canonical import CanonicalEngine
from guardcli.engine.context import Context
from guardcli.engine.sizing import MAX_PARALLEL, FlashAttention, Options, Room, choose, explained
from guardcli.engine.task import Counts, Engine, Footprint, Probe, Reading, Step, Task
from guardcli.models.llama import NativeModel

__all__ = [
    "MAX_PARALLEL",
    "BatchedEngine",
    "CanonicalEngine",
    "Counts",
    "Engine",
    "FlashAttention",
    "Footprint",
    "Options",
    "Probe",
    "Reading",
    "Room",
    "Step",
    "Task",
    "open_engine",
]  # fmt: skip

_log = logging.getLogger(__name__)


def open_engine(model: NativeModel, options: Options | None = None, *, heads: Sequence[int] = ()) -> Engine:
    """An engine on a model; `heads` are the lengths of the heads that its prompts are known to have.

    Raises:
        EngineError: the context is longer than the model was trained for, or llama.cpp cannot make it.
    """
    options = options or Options()
    room = Room(
        trained=model.n_ctx_train,
        cell=model.cell_size,
        free=model.free_on_device() if model.offloaded else machine.free_memory(model.size),
        offloaded=model.offloaded,
        cores=machine.available_cores(),
    )
    shape = choose(room, options, heads)
    _log.info(explained(shape, room))
    context = Context(model, shape)
    return CanonicalEngine(context) if options.reproducible else BatchedEngine(context)
