"""The batched engine under random loads in small caches: the same readings, and nothing held at the end but heads."""

from __future__ import annotations

import random

import pytest

from guardcli.engine import BatchedEngine, ContextParams, EngineOptions, open_engine
from guardcli.engine.context import LlamaContext
from guardcli.models.llama import LlamaModel
from tests.engine.requests import Ask, apart, distinct, tasks
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


def load(rng: random.Random) -> list[list[Ask]]:
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
            group.append(Ask(prompt, tuple(answers), head=len(pieces[0]) if len(pieces[0]) < length else 0))
        groups.append(group)
    return groups


@pytest.mark.parametrize("seed", range(25))
def test_random_loads(native: LlamaModel, seed: int) -> None:
    rng = random.Random(seed)
    loads = [load(rng) for _ in range(3)]
    engine = BatchedEngine(LlamaContext(native, PARAMS))
    oracle = open_engine(native, EngineOptions(ctx_size=768, reproducible=True, threads=1))
    for groups in loads:  # one engine for several runs: heads outlive them
        fast, slow = list(engine.run(tasks(groups))), list(oracle.run(tasks(groups)))
        assert [len(group) for group in fast] == [len(group) for group in groups]
        for one, other in zip(fast, slow, strict=True):
            assert all(apart(a, b) < TOLERANCE["F32"] for a, b in zip(one, other, strict=True))
    cache = engine._scheduler.cache
    prefixes = [[Ask(tuple(int(token) for token in prefix)) for prefix in cache.prefixes]]
    assert cache.num_free_cells == PARAMS.kv_cells - distinct(prefixes)
    assert cache.num_free_seqs == PARAMS.max_seqs - len(cache.prefixes)
    engine.close()
    oracle.close()
