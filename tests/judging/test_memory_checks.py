"""What models need beside the memory that is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from guardcli.judging.diagnostics import Check
from guardcli.judging.memory_checks import (
    AvailableMemory,
    free_memory_check,
    known_models_check,
    model_memory_check,
)
from guardcli.models.memory import WeightSizes
from guardcli.models.model_info import ModelInfo, examine
from guardcli.models.registry import REGISTRY

GB = 10**9


@pytest.fixture(scope="module")
def eight_gb(tiny_path: Path) -> ModelInfo:
    """A model of two layers of 3 GB, with 1 GB of embedding, 1 GB of output, and 1 MB a token of cache."""
    sizes = WeightSizes(embedding=GB, layers=(3 * GB, 3 * GB), output=GB, kv_per_token=(500_000, 500_000))
    return replace(examine(tiny_path), sizes=sizes, n_layers=2, n_ctx_train=8192)


def test_what_is_free() -> None:
    assert free_memory_check(AvailableMemory(12 * GB)) == Check("free memory", "12.0 GB")
    assert free_memory_check(AvailableMemory(12 * GB, 80 * GB)) == Check("free memory", "12.0 GB, 80.0 GB on GPUs")
    assert free_memory_check(AvailableMemory(None)) == Check("free memory", "not known")


def test_it_fits(eight_gb: ModelInfo) -> None:
    need = "10.05 GB for prompts of up to 1,024 tokens and 24.38 GB for prompts of up to 8,192 tokens"
    for available in (AvailableMemory(11 * GB), AvailableMemory(None)):
        check = model_memory_check(eight_gb, available)
        assert (check.name, check.value, check.good) == ("needs", need, True)


def test_it_does_not_fit(eight_gb: ModelInfo) -> None:
    check = model_memory_check(eight_gb, AvailableMemory(10 * GB))
    assert (check.good, check.advice) == (
        False, "more than is free: take a smaller quantization or model (guard models list)"
    )  # fmt: skip
    long_prompts = model_memory_check(eight_gb, AvailableMemory(20 * GB), max_prompt_tokens=8192)
    assert (long_prompts.good, long_prompts.value) == (False, "24.38 GB for prompts of up to 8,192 tokens")


def test_on_a_gpu(eight_gb: ModelInfo) -> None:
    all_layers = model_memory_check(eight_gb, AvailableMemory(16 * GB, 9 * GB), max_prompt_tokens=512)
    assert (all_layers.good, all_layers.value) == (
        True, "1.00 GB and 8.02 GB on GPUs for prompts of up to 512 tokens"
    )  # fmt: skip
    too_small = model_memory_check(eight_gb, AvailableMemory(16 * GB, 5 * GB), max_prompt_tokens=512)
    assert (too_small.good, too_small.advice) == (False, "more than is free: ModelConfig(gpu_layers=1) fits")
    fewer = model_memory_check(eight_gb, AvailableMemory(16 * GB, 5 * GB), max_prompt_tokens=512, gpu_layers=1)
    assert (fewer.good, fewer.value) == (True, "5.51 GB and 3.51 GB on GPUs for prompts of up to 512 tokens")


def test_which_known_models_fit() -> None:
    models = [REGISTRY[name] for name in ("llama-guard-3-1b", "llama-guard-3-8b", "llama-guard-4-12b")]
    values = [known_models_check(models, AvailableMemory(free)).value for free in (100 * GB, 9 * GB, 2 * GB, GB)]
    pull = "(guard models list; guard models pull takes the best file that fits)"
    assert values == [
        f"llama-guard-3-1b in Q4_K_M, llama-guard-3-8b in IQ4_XS fit {pull}",
        f"llama-guard-3-1b in Q4_K_M, llama-guard-3-8b in IQ4_XS fit {pull}",
        f"llama-guard-3-1b in Q4_K_M fits {pull}",
        f"none fits {pull}",
    ]
    on_gpu = known_models_check(models, AvailableMemory(2 * GB, 100 * GB)).value
    assert on_gpu.startswith("llama-guard-3-1b in Q4_K_M, llama-guard-3-8b in IQ4_XS fit")
    assert known_models_check(models, AvailableMemory(None)).value == "llama-guard-3-1b, llama-guard-3-8b"
