"""Which sizes are chosen, and how they are explained."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guardcli.engine.plan import MAX_CACHED_PREFIXES
from guardcli.engine.sizing import ContextParams, EngineConfig, Resources, autotune, explain
from guardcli.errors import EngineError

RESERVED = MAX_CACHED_PREFIXES + 2
RESOURCES = Resources(
    n_ctx_train=131_072,
    sliding_window=False,
    kv_bytes_per_token=32_768,
    free_memory=8_000_000_000,
    offloaded=False,
    cores=6,
)


def test_on_a_cpu() -> None:
    assert autotune(RESOURCES, EngineConfig()) == ContextParams(
        kv_cells=16_384,
        max_model_len=8192,
        prefix_cache_tokens=4096,
        max_prefixes=32,
        batch_size=512,
        max_seqs=4 + RESERVED,
        max_outputs=2 * (4 + RESERVED),
        reserved_seqs=RESERVED,
        threads=6,
        ubatch_size=512,
        soft_batch_limit=96,
        decode_first=True,
        flash_attention="auto",
    )


def test_on_a_gpu() -> None:
    params = autotune(replace(RESOURCES, offloaded=True), EngineConfig())
    assert not params.decode_first
    assert (params.batch_size, params.soft_batch_limit, params.ubatch_size) == (2048, 2048, 512)
    assert params.max_seqs - params.reserved_seqs == 64


def test_the_deterministic_engine_has_one_sequence() -> None:
    assert autotune(RESOURCES, EngineConfig(reproducible=True)) == ContextParams(
        kv_cells=8192,
        max_model_len=8192,
        prefix_cache_tokens=8192,
        max_prefixes=32,
        batch_size=512,
        max_seqs=1,
        max_outputs=2,
        reserved_seqs=0,
        threads=6,
        ubatch_size=512,
        soft_batch_limit=96,
        decode_first=True,
        flash_attention="auto",
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
    assert autotune(replace(RESOURCES, free_memory=free), EngineConfig()).kv_cells == cells


def test_given_sizes_are_kept() -> None:
    options = EngineConfig(
        max_prompt_tokens=1000, parallel=7, threads=3, batch_size=300, ubatch_size=100, flash_attention="off"
    )
    assert autotune(replace(RESOURCES, free_memory=0), options) == ContextParams(
        kv_cells=2048,
        max_model_len=1000,
        prefix_cache_tokens=500,
        max_prefixes=32,
        batch_size=300,
        max_seqs=7 + RESERVED,
        max_outputs=2 * (7 + RESERVED),
        reserved_seqs=RESERVED,
        threads=3,
        ubatch_size=100,
        soft_batch_limit=96,
        decode_first=True,
        flash_attention="off",
    )


def test_prefixes_have_room_beside_the_prompts() -> None:
    params = autotune(RESOURCES, EngineConfig(max_prompt_tokens=4096), prefix_lens=(3500, 3500))
    assert (params.kv_cells, params.max_model_len, params.prefix_cache_tokens) == (15_360, 4096, 9048)
    assert (params.max_prefixes, params.reserved_seqs) == (34, 36)


def test_a_batch_is_no_larger_than_the_cache() -> None:
    params = autotune(RESOURCES, EngineConfig(max_prompt_tokens=100, ubatch_size=4096))
    assert (params.kv_cells, params.batch_size, params.ubatch_size) == (256, 256, 256)


def test_longer_than_trained() -> None:
    with pytest.raises(
        EngineError, match=r"EngineConfig\(max_prompt_tokens=200000\): the model was trained on at most 131,072"
    ):
        autotune(RESOURCES, EngineConfig(max_prompt_tokens=200_000))


@pytest.mark.parametrize("name", ["max_prompt_tokens", "parallel", "threads", "batch_size", "ubatch_size"])
def test_numbers_are_at_least_one(name: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        EngineConfig(**{name: 0})


def test_the_choice_is_explained() -> None:
    assert explain(autotune(RESOURCES, EngineConfig()), RESOURCES) == (
        "prompts of up to 8,192 tokens (the model was trained on 131,072), a cache of 16,384 tokens (0.54 GB of 8.0 GB "
        "free, in memory), batches of 512 tokens (96 are enough), 512 at once, 4 prompts at a time, "
        "6 threads of 6 cores, flash attention auto"
    )


def test_many_prefixes_leave_sequences_for_prompts() -> None:
    params = autotune(replace(RESOURCES, offloaded=True), EngineConfig(), prefix_lens=[100] * 150)
    assert (params.max_prefixes, params.reserved_seqs, params.max_seqs) == (128, 130, 194)
    params = autotune(RESOURCES, EngineConfig(parallel=222), prefix_lens=[100] * 150)
    assert params.max_seqs == 256


def test_a_sequence_with_a_sliding_window_takes_two() -> None:
    windowed = replace(RESOURCES, sliding_window=True)
    params = autotune(windowed, EngineConfig(parallel=222))
    assert (params.max_prefixes, params.max_seqs) == (32, 128)
    params = autotune(windowed, EngineConfig(), prefix_lens=[100] * 150)
    assert (params.max_prefixes, params.max_seqs - params.reserved_seqs) == (64, 4)
    assert autotune(windowed, EngineConfig()) == autotune(RESOURCES, EngineConfig())
