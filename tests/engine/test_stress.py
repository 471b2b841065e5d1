"""The batched engine under random loads in small caches: the logits of the deterministic one, and no sequence leaks."""

from __future__ import annotations

import random

import pytest

from guardcli.engine import BatchedEngine, ContextParams, EngineConfig, open_engine
from guardcli.engine.context import LlamaContext
from guardcli.models.llama import LlamaModel
from tests.engine.requests import TokenRequest, count_unique_tokens, max_difference, results_of
from tests.engine.test_contract import TOLERANCE, numbers

PARAMS = ContextParams(
    kv_cells=768,
    max_model_len=384,
    prefix_cache_tokens=192,
    max_prefixes=32,
    batch_size=64,
    max_seqs=40,
    max_outputs=16,
)


def load(rng: random.Random) -> list[list[TokenRequest]]:
    """Prompts that share much, little, all or nothing, some twice, some long, with answers of every kind."""
    stock = [numbers(rng.randrange(1, 90), rng) for _ in range(6)]
    groups = []
    for _ in range(rng.randrange(1, 40)):
        group = []
        for _ in range(rng.randrange(0, 4)):
            pieces = [rng.choice(stock) for _ in range(rng.randrange(1, 4))] + [numbers(rng.randrange(0, 12), rng)]
            prompt = sum(pieces, ())[:330]
            length = len(prompt)
            answers = [
                (rng.choice([None, length]), numbers(rng.randrange(1, 4), rng)) for _ in range(rng.choice([0, 0, 2]))
            ]
            group.append(
                TokenRequest(prompt, tuple(answers), prefix_len=len(pieces[0]) if len(pieces[0]) < length else 0)
            )
        groups.append(group)
    return groups


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_random_loads(native: LlamaModel, seed: int) -> None:
    rng = random.Random(seed)
    loads = [load(rng) for _ in range(3)]
    engine = BatchedEngine(LlamaContext(native, PARAMS))
    oracle = open_engine(native, EngineConfig(max_prompt_tokens=768, reproducible=True, threads=1))
    for groups in loads:  # one engine for several runs: prefixes outlive them
        fast, slow = list(results_of(engine, groups)), list(results_of(oracle, groups))
        assert [len(group) for group in fast] == [len(group) for group in groups]
        for one, other in zip(fast, slow, strict=True):
            assert all(max_difference(a, b) < TOLERANCE["F32"] for a, b in zip(one, other, strict=True))
    cache = engine._scheduler._cache  # nothing leaks
    prefixes = [[TokenRequest(tuple(int(token) for token in prefix)) for prefix in cache.prefixes]]
    assert cache.num_free_cells == PARAMS.kv_cells - count_unique_tokens(prefixes)
    assert cache.num_free_seqs == PARAMS.max_seqs - len(cache.prefixes)
    engine.close()
    oracle.close()
