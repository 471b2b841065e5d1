"""The sizes of a context, chosen from the model, the memory and the device; what a user asks for stands.

It decides and explains; it makes nothing, and asks neither llama.cpp nor the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from guardcli.engine.plan import MAX_HEADS
from guardcli.errors import EngineError

FlashAttention = Literal["auto", "on", "off"]

MAX_SEQUENCES = 256  # LLAMA_MAX_SEQ
MAX_PARALLEL = MAX_SEQUENCES - MAX_HEADS - 2  # of the sequences some are held: the heads, the last one, and a new one

_CTX = 8192  # tokens of the longest prompt, unless the model was trained on fewer
_LEAST_CTX = 1024
_SHARE_OF_MEMORY = 0.75  # of what is free, for the cache: the rest is for compute buffers and whoever else runs

# Prompts at a time. In a batch every token is held against the cells of all sequences in it, masked or not: on a CPU
# that costs more than a larger batch gains. 170 M parameters in Q8_0 on 2 cores, time against 64 at a time, medians of
# 5 interleaved rounds: prompts of 190 tokens 0.95 (1), 0.98 (2), 0.96 (4); of 80 tokens 1.09, 1.02, 0.97.
_PARALLEL_ON_CPU, _PARALLEL_ON_GPU = 4, 64

# For the same reason a batch on a CPU is not filled to its end: from some 100 rows on, more rows make the weights no
# cheaper, and the more sequences there are the further attention reaches. The same model, time against filling batches
# of 512, 5 interleaved rounds: prompts of 190 tokens 0.93 (96 rows), 0.99 (128), 0.98 (192), 0.91 (256); of 80 tokens
# 0.92 (64), 0.94 (96), 0.93 (128), 0.97 (192). llama-bench's own tokens/s behind 143: 128 rows 1,132, 512 rows 999.
_ENOUGH_ON_CPU = 96

# And an answer is read to its end before the next prompt begins, in small batches of its own: kept beside others, its
# prompt's cells make attention reach further. With a fifth of the prompts unsafe, time against a llama-server beside it
# in the same run (25 prompts, 4 rounds, three runs): 0.90 of its speed before, 0.97 to 0.98 after.
_BATCH_ON_CPU, _BATCH_ON_GPU = 512, 2048
_UBATCH = 512


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What a user may set: the longest prompt in tokens, prompts at a time, CPU threads, tokens of a batch and of the
    part of it that is evaluated at once, flash attention. None, or "auto": chosen here.

    `reproducible` takes the canonical path, which gives every prompt the same shape: scores are then the same bits
    whatever else is judged beside it, and slower.
    """

    ctx_size: int | None = None
    parallel: int | None = None
    threads: int | None = None
    reproducible: bool = False
    batch_size: int | None = None
    ubatch_size: int | None = None
    flash_attention: FlashAttention = "auto"

    def __post_init__(self) -> None:
        """Raises ValueError: a number below 1, or more prompts at a time than llama.cpp has sequences for."""
        numbers = (self.ctx_size, self.parallel, self.threads, self.batch_size, self.ubatch_size)
        if any(number is not None and number < 1 for number in numbers):
            raise ValueError("ctx_size, parallel, threads, batch_size and ubatch_size are at least 1")
        if self.parallel is not None and self.parallel > MAX_PARALLEL:
            raise ValueError(f"parallel is at most {MAX_PARALLEL}")


@dataclass(frozen=True, slots=True)
class Room:
    """What there is to choose from: tokens that the model was `trained` on, bytes of a `cell` of its cache, bytes
    `free` for the cache where it will stand (None: unknown), whether that is a GPU, and CPU cores."""

    trained: int
    cell: int
    free: int | None
    offloaded: bool
    cores: int


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a context: cells of the cache, rows of a batch and of what is evaluated at once, sequences,
    outputs of a batch, threads. With `enough` rows in a batch no further prompt begins, and with `answers_first` none
    while an answer is under way.

    The `longest` sequence, answers included, is always given room. There may be so many `heads`, which may have `held`
    of the cells. Of the sequences `spare` are for what is held, and the others are prompts evaluated at a time.
    """

    cells: int
    longest: int
    held: int
    heads: int
    batch: int
    sequences: int
    outputs: int
    spare: int = 0
    threads: int = 1
    ubatch: int = _UBATCH
    enough: int = _BATCH_ON_CPU
    answers_first: bool = False
    flash_attention: FlashAttention = "auto"

    def as_json(self) -> dict[str, int | bool | str]:
        """The sizes by lasting names, those of options where there is one: journals keep them."""
        return {
            "ctx_size": self.longest,
            "parallel": self.sequences - self.spare,
            "threads": self.threads,
            "batch_size": self.batch,
            "ubatch_size": self.ubatch,
            "flash_attention": self.flash_attention,
            "cells": self.cells,
            "head_cells": self.held,
            "heads": self.heads,
            "sequences": self.sequences,
            "outputs": self.outputs,
            "enough_rows": self.enough,
            "answers_first": self.answers_first,
        }


def choose(room: Room, options: EngineOptions, heads: Sequence[int] = ()) -> Shape:
    """The shape of a context; `heads` are the lengths of the heads that are known to come.

    Raises:
        EngineError: a longer prompt is asked for than the model was trained on.
    """
    if options.ctx_size is not None and options.ctx_size > room.trained:
        raise EngineError(f"--ctx-size {options.ctx_size:,}: the model was trained on up to {room.trained:,} tokens")
    held_heads = min(MAX_HEADS + len(heads), MAX_SEQUENCES // 2)
    spare = 0 if options.reproducible else held_heads + 2
    at_a_time = options.parallel or (_PARALLEL_ON_GPU if room.offloaded else _PARALLEL_ON_CPU)
    sequences = spare + (1 if options.reproducible else min(at_a_time, MAX_SEQUENCES - spare))
    longest = options.ctx_size or _ctx(room, options, sum(heads))
    cells = _cells(longest, options, sum(heads))
    batch = min(options.batch_size or (_BATCH_ON_GPU if room.offloaded else _BATCH_ON_CPU), cells)
    return Shape(
        cells=cells,
        longest=longest,
        held=cells if options.reproducible else longest // 2 + sum(heads),
        heads=held_heads,
        batch=batch,
        sequences=sequences,
        outputs=2 * sequences,
        spare=spare,
        threads=options.threads or room.cores,
        ubatch=min(options.ubatch_size or _UBATCH, batch),
        enough=batch if room.offloaded else min(_ENOUGH_ON_CPU, batch),
        answers_first=not room.offloaded,
        flash_attention=options.flash_attention,
    )


def explained(shape: Shape, room: Room) -> str:
    """What was chosen, and from what, in one line for a person."""
    free = "" if room.free is None else f" of {room.free / 1e9:.1f} GB free"
    where = "on the GPU" if room.offloaded else "in memory"
    return (
        f"prompts of up to {shape.longest:,} tokens (the model was trained on {room.trained:,}), "
        f"a cache of {shape.cells:,} tokens ({shape.cells * room.cell / 1e9:.2f} GB{free}, {where}), "
        f"batches of {shape.batch:,} tokens ({shape.enough:,} are enough), "
        f"{shape.ubatch:,} at once, {shape.sequences - shape.spare} prompts at a time, {shape.threads} threads of "
        f"{room.cores} cores, flash attention {shape.flash_attention}"
    )


def _ctx(room: Room, options: EngineOptions, heads: int) -> int:
    """The longest prompt, unless it is given: halved until its cache fits what is free."""
    ctx = min(room.trained, _CTX)
    while room.free is not None and ctx > _LEAST_CTX:
        if _cells(ctx, options, heads) * room.cell <= _SHARE_OF_MEMORY * room.free:
            break
        ctx = max(ctx // 2, _LEAST_CTX)
    return ctx


def _cells(ctx: int, options: EngineOptions, heads: int) -> int:
    """Cells for prompts of that length, a multiple of 256: as many again for others beside it, and for the heads."""
    cells = ctx if options.reproducible else 2 * ctx + heads
    return -(-cells // 256) * 256
