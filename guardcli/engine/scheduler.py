"""Decide which tokens are evaluated next: fill the batch from the running sequences, then from the plan.

A batch of 12 rows in the middle of a run (P is a cached prefix; A to D are prompts that begin with it):

    running   A   P P P P | a a              two tokens of its answer were appended
              B   P P P P b b b | b b b b    the end of its prompt is still pending
    waiting   C   P P P P | c c c c
              D   P P P P c | d d d          shares a token with C
              E   …

    batch     a a  b b b b  c c c c  d d     what comes after the | is new
              A    B        C        D       the first row of C gets the seq_id of D too

The last token of D is pending, so E is not admitted before the next batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from guardcli.engine.context import LlamaContext
from guardcli.engine.plan import PlanEntry, plan
from guardcli.engine.prefix_cache import PrefixCache
from guardcli.engine.request import MAX_ANSWER_TOKENS, RequestStep
from guardcli.engine.request_queue import PendingRequest
from guardcli.engine.sequence import KvSequence
from guardcli.engine.token_arrays import TokenArray, as_array
from guardcli.errors import EngineError


@dataclass(slots=True)
class ScheduledTokens:
    """How many tokens of first steps and of later steps were put into the batch."""

    prefill: int = 0
    decode: int = 0


class Scheduler:
    """Entries of the plan wait in `waiting`; sequences in `running` have tokens to evaluate, or answers to read."""

    def __init__(self, context: LlamaContext) -> None:
        self._context = context
        self.cache = PrefixCache(context)
        self.waiting: deque[tuple[PlanEntry, PendingRequest[Any] | None]] = deque()
        self.running: list[KvSequence] = []

    @property
    def has_work(self) -> bool:
        return bool(self.waiting or self.running)

    def reset(self) -> None:
        """Clear the KV cache, and drop what waits or runs."""
        self._context.clear_cache()
        self.cache = PrefixCache(self._context)
        self.waiting.clear()
        self.running.clear()

    def add_window(self, window: Sequence[PendingRequest[Any]]) -> None:
        """Plan the order of a window's requests."""
        self.cache.evict_stale()
        prompts = [request.prompt for request in window]
        for entry in plan(prompts, self.cache.prefixes, self._context.params.max_prefixes):
            self.waiting.append((entry, None if entry.prompt is None else window[entry.prompt]))

    def add_prefix(self, prefix: TokenArray) -> None:
        """Let a prefix be evaluated and cached."""
        self.waiting.append((PlanEntry.from_prefix(prefix), None))

    def schedule(self) -> ScheduledTokens:
        """Fill the batch; if it stays empty and nothing runs, evict something for the next call.

        Raises:
            EngineError: the cache has no room for what runs, or for the next prompt alone.
        """
        self._context.clear_batch()
        scheduled = ScheduledTokens()
        for sequence in self.running:
            self._schedule_tokens(sequence, scheduled)
        # Counted once: after a sequence that is admitted and still has pending tokens, no other is admitted.
        num_pending = sum(sequence.num_pending_tokens for sequence in self.running)
        while self.waiting and not self._should_wait() and self._admit(num_pending, scheduled):
            pass
        if not self._context.rows:
            if self.running and all(sequence.num_pending_tokens for sequence in self.running):
                raise EngineError("the cache is full of answers: raise --ctx-size or lower --parallel")
            if self.waiting and not self.running:
                self.cache.evict(self.waiting[0][0])
        return scheduled

    def append(self, sequence: KvSequence, step: RequestStep) -> None:
        """Append the tokens of a request's next step to its sequence."""
        if step.keep_len is not None:
            self.cache.truncate(sequence, step.keep_len)
        sequence.tokens = np.concatenate((sequence.tokens, as_array(step.tokens)))
        sequence.queries = list(step.queries)
        sequence.logits = []
        sequence.is_decoding = True

    def finish(self, sequence: KvSequence) -> None:
        """Stop running a sequence; its cells are freed unless the next one can share them."""
        sequence.is_running = False
        self.running.remove(sequence)
        self.cache.free(sequence)

    def _should_wait(self) -> bool:
        """Whether no prompt may be admitted: the last one has pending tokens, or answers are read first."""
        if self.cache.last and self.cache.last.num_pending_tokens:
            return True
        return self._context.params.decode_first and any(sequence.is_decoding for sequence in self.running)

    def _admit(self, num_pending: int, scheduled: ScheduledTokens) -> bool:
        """Admit the next waiting entry; False if rows, seq_ids or cells are short.

        `num_pending` are the tokens of running sequences that will need cells too.
        """
        entry, request = self.waiting[0]
        if request is None and self.cache.touch(entry):
            self.waiting.popleft()
            return True
        match = self.cache.match_prefix(entry, request)
        if not self._can_allocate(len(entry.tokens) - match.cached_len + num_pending, request):
            return False
        self.waiting.popleft()
        sequence = self.cache.insert(entry, request, match)
        self.running.append(sequence)
        if request is not None:
            sequence.queries = list(request.step.queries)
        self._schedule_tokens(sequence, scheduled)
        return True

    def _can_allocate(self, num_tokens: int, request: PendingRequest[Any] | None) -> bool:
        context, params = self._context, self._context.params
        if not context.free_rows or context.rows >= params.soft_batch_limit or not self.cache.num_free_seqs:
            return False
        if len(self.running) >= params.max_seqs - params.reserved_seqs:
            return False
        outputs = len(request.step.queries) if request else 0
        reserved = MAX_ANSWER_TOKENS * (len(self.running) + 1)
        return context.outputs + outputs <= params.max_outputs and num_tokens + reserved <= self.cache.num_free_cells

    def _schedule_tokens(self, sequence: KvSequence, scheduled: ScheduledTokens) -> None:
        """Put a sequence's pending tokens into the batch, as many as there is room for."""
        context, start = self._context, sequence.scheduled_len
        count = min(sequence.num_pending_tokens, context.free_rows, self.cache.num_free_cells)
        positions = [query.position for query in sequence.queries if start <= query.position < start + count]
        if not count or context.outputs + len(positions) > context.params.max_outputs:
            return
        rows = context.add(sequence.tokens[start : start + count], start, sequence.seq_id)
        for position in positions:
            context.request_logits(int(rows[position - start]))
        sequence.rows = np.concatenate((sequence.rows, rows)) if len(sequence.rows) else rows
        sequence.cells = np.concatenate((sequence.cells, self.cache.allocate(count)))
        if sequence.is_decoding:
            scheduled.decode += count
        else:
            scheduled.prefill += count
