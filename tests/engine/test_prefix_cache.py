"""Which sequences stay in the KV cache, and which cells they share: without a model."""

from __future__ import annotations

import numpy as np
import pytest

from guardcli.engine import ContextParams, LogitQuery, RequestStep
from guardcli.engine.context import LlamaContext, Rows
from guardcli.engine.kv_cells import KvCells
from guardcli.engine.plan import PlanEntry, ScheduledPrompt
from guardcli.engine.prefix_cache import PREFIX_TTL, PrefixCache
from guardcli.engine.request_queue import PendingRequest, RequestGroup
from guardcli.engine.sequence import KvSequence
from guardcli.engine.token_arrays import sort_key
from guardcli.errors import EngineError
from tests.engine.test_plan import array_of


class FakeContext(LlamaContext):
    """Notes what the cache asks of llama.cpp."""

    def __init__(self, *, kv_cells: int = 64, prefix_cache_tokens: int = 16, max_prefixes: int = 4) -> None:
        self.params = ContextParams(
            kv_cells=kv_cells,
            max_model_len=kv_cells,
            prefix_cache_tokens=prefix_cache_tokens,
            max_prefixes=max_prefixes,
            batch_size=32,
            max_seqs=8,
            max_outputs=16,
        )
        self.calls: list[tuple[object, ...]] = []

    def copy_sequence(self, source: int, target: int, length: int) -> None:
        self.calls.append(("copy", source, target, length))

    def remove_sequence(self, seq_id: int, start: int = 0) -> None:
        self.calls.append(("remove", seq_id, start))

    def add_seq_id(self, rows: Rows, seq_id: int) -> None:
        self.calls.append(("add", rows.tolist(), seq_id))


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()


@pytest.fixture
def cache(context: FakeContext) -> PrefixCache:
    return PrefixCache(context)


def request(text: str) -> PendingRequest[None]:
    """A request that asks for logits after its last token."""

    def coroutine():  # type: ignore[no-untyped-def]
        yield

    tokens = array_of(text)
    step = RequestStep(tokens, (LogitQuery(len(text) - 1, (1,)),))  # type: ignore[arg-type]
    group = RequestGroup(None, [None], 1)
    return PendingRequest(coroutine(), step, group, 0, ScheduledPrompt(tokens, 0, len(text) - 1))


def insert(cache: PrefixCache, text: str, *, is_prefix: bool = False, computed: int | None = None) -> KvSequence:
    """Insert a sequence and allocate its cells; `computed` of its tokens are evaluated, the others in the batch."""
    pending = None if is_prefix else request(text)
    entry = PlanEntry(array_of(text), sort_key(array_of(text)), None if is_prefix else 0)
    sequence = cache.insert(entry, pending, cache.match_prefix(entry, pending))
    cache.allocate(sequence, np.arange(sequence.num_pending_tokens, dtype=np.int32))
    sequence.num_computed_tokens = len(text) if computed is None else computed
    sequence.rows = np.arange(len(text) - sequence.num_computed_tokens, dtype=np.int32)
    return sequence


def finish(cache: PrefixCache, sequence: KvSequence) -> None:
    cache.finish(sequence)


def test_sequences_that_begin_alike_share_cells(cache: PrefixCache) -> None:
    """The picture of the module: four sequences of 4 + 7 + 7 + 5 tokens in 9 cells."""
    insert(cache, "PPPP", is_prefix=True)
    first, second, third = (insert(cache, text) for text in ("PPPPaaa", "PPPPaab", "PPPPc"))
    assert cache.num_free_cells == 64 - 9
    finish(cache, first)
    assert cache.num_free_cells == 64 - 8
    finish(cache, second)
    assert cache.num_free_cells == 64 - 5
    finish(cache, third)  # still the last
    assert (cache.num_free_cells, cache.num_free_seqs) == (64 - 5, 8 - 2)
    cache.set_last(None)
    assert (cache.num_free_cells, cache.num_free_seqs) == (64 - 4, 8 - 1)


def test_what_is_computed_is_copied_and_rows_of_the_batch_are_shared(context: FakeContext, cache: PrefixCache) -> None:
    insert(cache, "abcdefgh", computed=5)
    sequence = insert(cache, "abcdefgx")
    assert context.calls == [("copy", 0, 1, 5), ("add", [0, 1], 1)]
    assert len(sequence.cells) == 8
    assert cache.num_free_cells == 64 - 8 - 1


def test_the_token_before_an_answer_is_evaluated_again(cache: PrefixCache) -> None:
    insert(cache, "abcd")
    pending = request("abcd")
    match = cache.match_prefix(PlanEntry(array_of("abcd"), b"", 0), pending)
    assert (match.cached_len, match.lcp) == (3, 4)


def test_a_truncated_sequence_frees_its_cells(context: FakeContext, cache: PrefixCache) -> None:
    sequence = insert(cache, "abcdef")
    cache.truncate(sequence, 4)
    assert (sequence.tokens.tolist(), sequence.num_computed_tokens) == (array_of("abcd").tolist(), 4)
    assert cache.num_free_cells == 64 - 4
    assert context.calls == [("remove", 0, 4)]


def texts(cache: PrefixCache) -> list[str]:
    return ["".join(map(chr, tokens)) for tokens in cache.prefixes]


def test_the_least_recently_used_prefix_makes_room(cache: PrefixCache) -> None:
    """Of 16 tokens together: the third prefix takes the place of the first."""
    for text in ("aaaaaaa", "bbbbbbb", "ccccccc"):
        finish(cache, insert(cache, text, is_prefix=True))
    assert texts(cache) == ["bbbbbbb", "ccccccc"]


def test_a_prefix_that_is_never_used_is_stale(cache: PrefixCache) -> None:
    for text in ("aa", "bb"):
        finish(cache, insert(cache, text, is_prefix=True))
    for _ in range(PREFIX_TTL - 1):
        finish(cache, insert(cache, "bbx"))
    cache.evict_stale()
    assert texts(cache) == ["aa", "bb"]
    finish(cache, insert(cache, "bby"))
    cache.evict_stale()
    assert texts(cache) == ["bb"]


def test_eviction_takes_the_cheapest_first_and_ends_with_an_error(cache: PrefixCache) -> None:
    entry = PlanEntry.from_prefix(array_of("z" * 1000))
    finish(cache, insert(cache, "aaaa", is_prefix=True))
    finish(cache, insert(cache, "bbbb", is_prefix=True))
    finish(cache, insert(cache, "bbbbx"))
    evicted = []
    for _ in range(3):
        cache.evict(entry)
        last = cache.last
        evicted.append((texts(cache), None if last is None else "".join(map(chr, last.tokens))))
    assert evicted == [(["bbbb"], "bbbbx"), (["bbbb"], "bbbb"), ([], None)]
    assert (cache.num_free_cells, cache.num_free_seqs) == (64, 8)
    with pytest.raises(
        EngineError,
        match=r"a prompt of 1,000 tokens does not fit into the cache: raise EngineConfig.max_prompt_tokens",
    ):
        cache.evict(entry)


def test_only_the_given_prefixes_stay(cache: PrefixCache) -> None:
    for text in ("aaaa", "bbbb"):
        finish(cache, insert(cache, text, is_prefix=True))
    assert not cache.evict_except([array_of("bbbb"), array_of("cccc")])
    assert texts(cache) == ["aaaa", "bbbb"]
    assert cache.evict_except([array_of("bbbb")])
    assert texts(cache) == ["bbbb"]


def test_cells_are_free_when_nobody_uses_them() -> None:
    pool = KvCells(5)
    cells = pool.allocate(3)
    pool.incref(cells[:2])
    pool.free(cells)
    assert pool.num_free == 3
    pool.free(cells[:2])
    assert pool.num_free == 5
    with pytest.raises(ValueError, match="6 KV cells requested, but only 5 are free"):
        pool.allocate(6)
