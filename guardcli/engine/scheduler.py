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

from guardcli.engine.context import LlamaContext
from guardcli.engine.plan import PlanEntry, ScheduledPrompt, plan
from guardcli.engine.prefix_cache import PrefixCache
from guardcli.engine.request import MAX_ANSWER_TOKENS, RequestStep
from guardcli.engine.request_queue import PendingRequest
from guardcli.engine.sequence import KvSequence
from guardcli.errors import EngineError
from guardcli.models.vocab import TokenIds

MAX_EARLIER_PROMPTS = 64  # of the window before, with which the prompts of a window are compared


@dataclass(slots=True)
class ScheduledTokens:
    """How many tokens of first steps and of later steps were put into the batch."""

    prefill: int = 0
    decode: int = 0


class Scheduler:
    """Entries of the plan wait; running sequences have tokens to evaluate, or answers to read."""

    def __init__(self, context: LlamaContext) -> None:
        self._context = context
        self._cache = PrefixCache(context)
        self._waiting: deque[tuple[PlanEntry, PendingRequest[Any] | None]] = deque()
        self._running: list[KvSequence] = []
        self._earlier: list[ScheduledPrompt] = []  # of the last window

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def has_running(self) -> bool:
        return bool(self._running)

    @property
    def has_work(self) -> bool:
        return self.has_waiting or self.has_running

    @property
    def cached_prefixes(self) -> list[TokenIds]:
        """The tokens of each cached prefix."""
        return self._cache.prefixes

    def reset(self) -> None:
        """Clear the KV cache, and drop what waits or runs."""
        self._context.clear_cache()
        self._cache = PrefixCache(self._context)
        self._waiting.clear()
        self._running.clear()
        self._earlier.clear()

    def keep_prefixes(self, prefixes: Sequence[TokenIds]) -> bool:
        """While nothing runs, evict all but `prefixes`; if one of them is not cached, do nothing and return False."""
        self._earlier.clear()
        return self._cache.evict_except(prefixes)

    def end_run(self) -> None:
        """Keep only the cached prefixes; after a run that was broken off, keep nothing."""
        if self.has_work:
            self.reset()
        else:
            self._cache.set_last(None)
            self._earlier.clear()

    def add_window(self, window: Sequence[PendingRequest[Any]]) -> None:
        """Plan the order of a window's requests."""
        self._cache.evict_stale()
        prompts = [request.prompt for request in window]
        prefixes = self._cache.prefixes
        # Only as many new ones as there is room for: if each evicted another, none would be there when it is needed.
        num_free = max(0, self._context.params.max_prefixes - len(prefixes))
        for entry in plan(prompts, prefixes, num_free, earlier=self._earlier):
            self._waiting.append((entry, None if entry.prompt is None else window[entry.prompt]))
        if prompts:
            self._earlier = prompts[-MAX_EARLIER_PROMPTS:]

    def add_prefix(self, prefix: TokenIds) -> None:
        """Let a prefix be evaluated and cached."""
        self._waiting.append((PlanEntry.from_prefix(prefix), None))

    def schedule(self) -> ScheduledTokens:
        """Fill the batch; if it stays empty and nothing runs, evict something for the next call.

        Raises:
            EngineError: the cache has no room for what runs, or for the next prompt alone.
        """
        self._context.clear_batch()
        scheduled = ScheduledTokens()
        for sequence in self._running:
            self._schedule_tokens(sequence, scheduled)
        # Counted once: after a sequence that is admitted and still has pending tokens, no other is admitted.
        num_pending = sum(sequence.num_pending_tokens for sequence in self._running)
        while self._waiting and not self._should_wait() and self._admit(num_pending, scheduled):
            pass
        if not self._context.rows:
            if self._running and all(sequence.num_pending_tokens for sequence in self._running):
                raise EngineError(
                    "the cache has no room for the answers: raise EngineConfig.max_prompt_tokens, or lower "
                    "EngineConfig.parallel",
                    code="engine/prompt-too-long",
                )
            if self._waiting and not self._running:
                self._cache.evict(self._waiting[0][0])
        return scheduled

    def append(self, sequence: KvSequence, step: RequestStep) -> None:
        """Append the tokens of a request's next step to its sequence."""
        if step.keep_len is not None:
            self._cache.truncate(sequence, step.keep_len)
        sequence.start_step(step)

    def finish(self, sequence: KvSequence) -> None:
        """Stop running a sequence; its cells are freed unless the next one can share them."""
        self._running.remove(sequence)
        self._cache.finish(sequence)

    def finish_batch(self) -> list[KvSequence]:
        """Read the logits of the batch, which was evaluated; return the sequences that have nothing left to evaluate.

        (Also one that had nothing to evaluate at all: a new prefix with which a cached one begins.)
        """
        for sequence in self._running:
            sequence.finish_batch(self._context.get_logits)
        return [sequence for sequence in self._running if not sequence.num_pending_tokens]

    def _should_wait(self) -> bool:
        """Whether no prompt may be admitted: the last one has pending tokens, or answers are read first."""
        if self._cache.has_pending_last:
            return True
        return self._context.params.decode_first and any(sequence.is_decoding for sequence in self._running)

    def _admit(self, num_pending: int, scheduled: ScheduledTokens) -> bool:
        """Admit the next waiting entry; False if rows, seq_ids or cells are short.

        `num_pending` are the tokens of running sequences that will need cells too.
        """
        entry, request = self._waiting[0]
        if request is None and self._cache.touch(entry):
            self._waiting.popleft()
            return True
        match = self._cache.match_prefix(entry, request)
        if not self._can_allocate(len(entry.tokens) - match.cached_len + num_pending, request):
            return False
        self._waiting.popleft()
        sequence = self._cache.insert(entry, request, match)
        self._running.append(sequence)
        self._schedule_tokens(sequence, scheduled)
        return True

    def _can_allocate(self, num_tokens: int, request: PendingRequest[Any] | None) -> bool:
        context, params = self._context, self._context.params
        if not context.free_rows or context.rows >= params.soft_batch_limit or not self._cache.num_free_seqs:
            return False
        if len(self._running) >= params.max_seqs - params.reserved_seqs:
            return False
        outputs = len(request.step.queries) if request else 0
        reserved = MAX_ANSWER_TOKENS * (len(self._running) + 1)
        return context.outputs + outputs <= params.max_outputs and num_tokens + reserved <= self._cache.num_free_cells

    def _schedule_tokens(self, sequence: KvSequence, scheduled: ScheduledTokens) -> None:
        """Put a sequence's pending tokens into the batch, as many as there is room for."""
        context, start = self._context, sequence.scheduled_len
        count = min(sequence.num_pending_tokens, context.free_rows, self._cache.num_free_cells)
        positions = [query.position for query in sequence.queries if start <= query.position < start + count]
        if not count or context.outputs + len(positions) > context.params.max_outputs:
            return
        rows = context.add(sequence.tokens[start : start + count], start, sequence.seq_id)
        for position in positions:
            context.request_logits(int(rows[position - start]))
        self._cache.allocate(sequence, rows)
        if sequence.is_decoding:
            scheduled.decode += count
        else:
            scheduled.prefill += count
