"""Prefix cache: which sequences stay in the KV cache, what a new one can share with them, and when they are evicted.

Three kinds of sequences are in the KV cache: those that run, the last one that was inserted (the plan's order makes
it the best match for the next one), and the cached prefixes. What they have in common is in the same cells:

    sequence    tokens             ref_count of its cells
    prefix      P P P P            4 4 4 4
    A           P P P P a a a      4 4 4 4 2 2 1
    B           P P P P a a b      4 4 4 4 2 2 1
    C, last     P P P P c          4 4 4 4 1

When A has finished, nothing holds its third `a` any more: A is freed, and that cell with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from guardcli.engine.context import LlamaContext, Rows
from guardcli.engine.kv_cells import KvCells
from guardcli.engine.plan import PlanEntry
from guardcli.engine.request_queue import PendingRequest
from guardcli.engine.sequence import KvSequence
from guardcli.engine.token_arrays import common_prefix_len, count_distinct
from guardcli.errors import EngineError
from guardcli.models.vocab import TokenIds

PREFIX_TTL = 512  # sequences inserted since its last use, after which a prefix is evicted


@dataclass(frozen=True, slots=True)
class PrefixMatch:
    """The sequence whose first `cached_len` tokens a new one takes over; `lcp` is its common prefix with `last`."""

    source: KvSequence | None
    cached_len: int
    lcp: int


class PrefixCache:
    """The sequences of a context, and who of them uses which cells."""

    def __init__(self, context: LlamaContext) -> None:
        self.last: KvSequence | None = None
        self._context = context
        self._cells = KvCells(context.params.kv_cells)
        self._free_seq_ids = list(range(context.params.max_seqs - 1, -1, -1))
        self._prefixes: list[KvSequence] = []
        self._path: list[KvSequence] = []  # the cached prefixes that `last` begins with, the shortest first
        self._num_inserted = 0  # the clock of `last_used`

    @property
    def prefixes(self) -> list[TokenIds]:
        """The tokens of each cached prefix."""
        return [prefix.tokens for prefix in self._prefixes]

    @property
    def has_pending_last(self) -> bool:
        """Whether `last` has tokens that are not in the batch yet, and so cannot be shared."""
        return self.last is not None and self.last.num_pending_tokens > 0

    @property
    def num_free_cells(self) -> int:
        return self._cells.num_free

    @property
    def num_free_seqs(self) -> int:
        return len(self._free_seq_ids)

    def touch(self, entry: PlanEntry) -> bool:
        """If this prefix of the plan is cached, make it `last`, for the next sequence to share; False if it is not."""
        for prefix in self._prefixes:
            if prefix.tokens is entry.tokens:
                self.set_last(prefix, common_prefix_len(prefix.tokens, self.last.tokens) if self.last else 0)
                if prefix not in self._path:
                    self._path.append(prefix)
                return True
        return False

    def match_prefix(self, entry: PlanEntry, request: PendingRequest[Any] | None) -> PrefixMatch:
        """Find the longest cached prefix of an entry.

        For a prompt that is what it has in common with `last`, by the order of the plan, up to its `max_cached_len`.
        A new prefix may also be the beginning of an older, longer one, which comes after it in the order.
        """
        lcp = common_prefix_len(self.last.tokens, entry.tokens) if self.last else 0
        if request is not None:
            return PrefixMatch(self.last if lcp else None, min(lcp, request.prompt.max_cached_len), lcp)
        source, cached_len = self.last, lcp
        for prefix in self._prefixes:
            if not prefix.num_pending_tokens:
                length = common_prefix_len(prefix.tokens, entry.tokens)
                if length > cached_len:
                    source, cached_len = prefix, length
        return PrefixMatch(source if cached_len else None, cached_len, lcp)

    def insert(self, entry: PlanEntry, request: PendingRequest[Any] | None, match: PrefixMatch) -> KvSequence:
        """Add a sequence that begins with what it matched; without a request it is a prefix, and stays cached."""
        queries = [] if request is None else list(request.step.queries)
        sequence = KvSequence(self._free_seq_ids.pop(), entry.tokens, request, queries)
        if match.source is not None:
            self._share(match.source, sequence, match.cached_len)
        self._num_inserted += 1
        self.set_last(sequence, match.lcp)
        if request is None:
            self._add_prefix(sequence)
        return sequence

    def set_last(self, sequence: KvSequence | None, lcp: int = 0) -> None:
        """Make a sequence `last`, which has `lcp` tokens in common with the one before; that one is freed if unused."""
        before, self.last = self.last, sequence
        self._path = [prefix for prefix in self._path if len(prefix.tokens) <= lcp]
        for prefix in self._path:
            prefix.last_used = self._num_inserted
        if before is not None:
            self.free(before)

    def allocate(self, sequence: KvSequence, rows: Rows) -> None:
        """Give a sequence's next tokens, which were put into these rows of the batch, a cell each."""
        sequence.rows = np.concatenate((sequence.rows, rows)) if len(sequence.rows) else rows
        sequence.cells = np.concatenate((sequence.cells, self._cells.allocate(len(rows))))

    def truncate(self, sequence: KvSequence, length: int) -> None:
        """Cut a sequence back to its first `length` tokens."""
        if length < sequence.num_computed_tokens:
            self._context.remove_sequence(sequence.seq_id, length)
            self._cells.free(sequence.cells[length:])
            sequence.cells, sequence.num_computed_tokens = sequence.cells[:length], length
        sequence.tokens = sequence.tokens[:length]

    def finish(self, sequence: KvSequence) -> None:
        """A sequence runs no more: free it, unless the next one may share its cells."""
        sequence.is_running = False
        self.free(sequence)

    def free(self, sequence: KvSequence) -> None:
        """Free the seq_id and the cells of a sequence, unless it is running, `last` or a cached prefix."""
        if sequence.is_running or sequence is self.last or sequence in self._prefixes:
            return
        self._context.remove_sequence(sequence.seq_id)
        self._cells.free(sequence.cells)
        self._free_seq_ids.append(sequence.seq_id)

    def evict(self, entry: PlanEntry) -> None:
        """Make room for an entry that does not fit while nothing runs.

        It evicts one sequence, the first there is of: the least recently used prefix that `last` does not begin with,
        `last`, the longest prefix that it begins with.

        Raises:
            EngineError: there is nothing to evict.
        """
        others = [prefix for prefix in self._prefixes if prefix not in self._path]
        if others:
            self._evict_prefix(min(others, key=lambda prefix: prefix.last_used))
        elif self.last is not None and self.last not in self._path:
            parent = self._path[-1] if self._path else None
            self.set_last(parent, len(parent.tokens) if parent else 0)
        elif self._path:
            self._evict_prefix(self._path[-1])
            self.set_last(None)
        else:
            raise EngineError(
                f"a prompt of {len(entry.tokens):,} tokens does not fit into the cache: "
                "raise EngineConfig.max_prompt_tokens",
                code="engine/prompt-too-long",
            )

    def evict_stale(self) -> None:
        """Evict prefixes that were not used for `PREFIX_TTL` sequences."""
        for prefix in list(self._prefixes):
            if self._num_inserted - prefix.last_used > PREFIX_TTL:
                self._evict_prefix(prefix)

    def evict_except(self, prefixes: Sequence[TokenIds]) -> bool:
        """While nothing runs, evict all but `prefixes`; if one of them is not cached, evict nothing and return False.

        Clocks and the order of free seq_ids are set back as well, so that what follows does not depend on the past.
        """
        kept = [cached for cached in self._prefixes if any(np.array_equal(cached.tokens, one) for one in prefixes)]
        if len(kept) < len(prefixes):
            return False
        self.set_last(None)
        for prefix in list(self._prefixes):
            if prefix in kept:
                prefix.last_used = 0
            else:
                self._evict_prefix(prefix)
        self._num_inserted = 0
        self._free_seq_ids.sort(reverse=True)
        return True

    def _share(self, source: KvSequence, sequence: KvSequence, cached_len: int) -> None:
        """Let a new sequence begin with the first `cached_len` tokens of another, which may still be in the batch:

        source    | computed . . . . . . | in the batch . . . . |
        sequence  | computed . . . | in the batch | new . . . . . . . |
                  |<- cached_len ---------------->|
                     copy_sequence   add_seq_id      schedule: allocate
                  |<- cells: incref ------------->|
        """
        sequence.num_computed_tokens = min(cached_len, source.num_computed_tokens)
        if sequence.num_computed_tokens:
            self._context.copy_sequence(source.seq_id, sequence.seq_id, sequence.num_computed_tokens)
        sequence.rows = source.rows[: cached_len - sequence.num_computed_tokens]
        self._context.add_seq_id(sequence.rows, sequence.seq_id)
        sequence.cells = source.cells[:cached_len]
        self._cells.incref(sequence.cells)

    def _add_prefix(self, prefix: KvSequence) -> None:
        """Cache a new prefix; the least recently used ones make room if there are too many or they are too long."""
        self._prefixes.append(prefix)
        self._path.append(prefix)
        prefix.last_used = self._num_inserted
        params = self._context.params
        others = sorted((p for p in self._prefixes if p not in self._path), key=lambda p: p.last_used)
        for other in others:
            num_tokens = count_distinct(self.prefixes)
            if len(self._prefixes) > params.max_prefixes or num_tokens > params.prefix_cache_tokens:
                self._evict_prefix(other)

    def _evict_prefix(self, prefix: KvSequence) -> None:
        self._prefixes.remove(prefix)
        if prefix in self._path:
            self._path.remove(prefix)
        self.free(prefix)
