"""Which shape is chosen, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guardcli.engine.plan import MAX_HEADS
from guardcli.engine.sizing import EngineOptions, Room, Shape, choose, explained
from guardcli.errors import EngineError

HELD = MAX_HEADS + 2
ROOM = Room(trained=131_072, cell=32_768, free=8_000_000_000, offloaded=False, cores=6)


def test_on_a_cpu() -> None:
    assert choose(ROOM, EngineOptions()) == Shape(
        16_384, 8192, 4096, 32, 512, 4 + HELD, 2 * (4 + HELD), HELD, 6, 512, 96, True, "auto"
    )


def test_on_a_gpu() -> None:
    chosen = choose(replace(ROOM, offloaded=True), EngineOptions())
    assert not chosen.answers_first
    assert (chosen.batch, chosen.enough, chosen.sequences - chosen.spare, chosen.ubatch) == (2048, 2048, 64, 512)


def test_the_canonical_path_holds_one_prompt() -> None:
    assert choose(ROOM, EngineOptions(reproducible=True)) == Shape(
        8192, 8192, 8192, 32, 512, 1, 2, 0, 6, 512, 96, True, "auto"
    )


@pytest.mark.parametrize(
    ("free", "cells"),
    [
        (None, 16_384),
        (16_384 * 32_768 * 4 // 3 + 1, 16_384),
        (16_384 * 32_768, 8192),
        (4096 * 32_768, 2048),
        (0, 2048),  # the least; whether there is room for it, llama.cpp will tell
    ],
)
def test_the_cache_fits_what_is_free(free: int | None, cells: int) -> None:
    assert choose(replace(ROOM, free=free), EngineOptions()).cells == cells


def test_what_is_asked_for_stands() -> None:
    options = EngineOptions(
        ctx_size=1000, parallel=7, threads=3, batch_size=300, ubatch_size=100, flash_attention="off"
    )
    assert choose(replace(ROOM, free=0), options) == Shape(
        2048, 1000, 500, 32, 300, 7 + HELD, 2 * (7 + HELD), HELD, 3, 100, 96, True, "off"
    )


def test_heads_have_room_beside_the_prompts() -> None:
    chosen = choose(ROOM, EngineOptions(ctx_size=4096), heads=(3500, 3500))
    assert (chosen.cells, chosen.longest, chosen.held) == (15_360, 4096, 9048)
    assert (chosen.heads, chosen.spare) == (34, 36)


def test_a_batch_is_no_larger_than_the_cache() -> None:
    chosen = choose(ROOM, EngineOptions(ctx_size=100, ubatch_size=4096))
    assert (chosen.cells, chosen.batch, chosen.ubatch) == (256, 256, 256)


def test_longer_than_trained() -> None:
    with pytest.raises(EngineError, match="--ctx-size 200,000: the model was trained on up to 131,072 tokens"):
        choose(ROOM, EngineOptions(ctx_size=200_000))


@pytest.mark.parametrize("name", ["ctx_size", "parallel", "threads", "batch_size", "ubatch_size"])
def test_numbers_are_at_least_one(name: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        EngineOptions(**{name: 0})


def test_what_was_chosen_is_explained() -> None:
    assert explained(choose(ROOM, EngineOptions()), ROOM) == (
        "prompts of up to 8,192 tokens (the model was trained on 131,072), a cache of 16,384 tokens (0.54 GB of 8.0 GB "
        "free, in memory), batches of 512 tokens (96 are enough), 512 at once, 4 prompts at a time, "
        "6 threads of 6 cores, flash attention auto"
    )


def test_many_heads_leave_sequences_for_prompts() -> None:
    chosen = choose(replace(ROOM, offloaded=True), EngineOptions(), heads=[100] * 150)
    assert (chosen.heads, chosen.spare, chosen.sequences) == (128, 130, 194)
    chosen = choose(ROOM, EngineOptions(parallel=222), heads=[100] * 150)
    assert chosen.sequences == 256
