"""The fast engine: many prompts in a batch, shared prefixes evaluated once, common prefixes kept in the KV cache.

    requests ─ RequestQueue ─► window ─ plan ─► waiting ─ Scheduler ─► batch ─ llama_decode ─► logits ─► requests

Each step schedules a batch, decodes it, and sends the logits to the requests that asked for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from guardcli.engine.context import LlamaContext
from guardcli.engine.context_engine import ContextEngine
from guardcli.engine.request import EngineStats, K, RequestGroups, T
from guardcli.engine.request_queue import RequestQueue
from guardcli.engine.scheduler import Scheduler
from guardcli.engine.sequence import EMPTY, KvSequence
from guardcli.engine.token_arrays import TokenArray, as_array
from guardcli.errors import EngineError
from guardcli.text.segments import TokenIds

WINDOW_BATCHES = 4  # how many batches of new tokens the engine looks ahead


class BatchedEngine(ContextEngine):
    """Runs requests in shared batches on a context that it owns."""

    reproducible = False

    def __init__(self, context: LlamaContext) -> None:
        super().__init__(context)
        self._busy = False
        self._scheduler = Scheduler(context)

    def run(self, groups: RequestGroups[K, T]) -> Iterator[tuple[K, list[T]]]:
        """See `Engine.run`. One run at a time."""
        self._check_idle()
        self._busy = True
        params, scheduler = self._context.params, self._scheduler
        queue = RequestQueue(
            groups,
            self.stats,
            max_prompts=params.max_seqs,
            max_unique_tokens=WINDOW_BATCHES * params.batch_size,
        )
        try:
            while not queue.ended or scheduler.has_work:
                if not scheduler.waiting and not queue.ended and not (queue.paused and scheduler.running):
                    scheduler.add_window(queue.next_window(scheduler.cache.prefixes))
                if scheduler.has_work:
                    self._step()
                yield from queue.pop_finished()
            if queue.error is not None:
                raise queue.error
            if queue.has_unfinished:
                raise AssertionError("requests were lost")
        finally:
            self._busy = False
            self._end_run()

    def reset(self, prefixes: Sequence[TokenIds] = ()) -> None:
        """See `Engine.reset`::

        cells after a reset    [ prefix 1 | what prefix 2 does not share | … | free                           ]
        during a run           [ prefix 1 | what prefix 2 does not share | … | prompts, prefixes of this run  ]
        """
        self._check_idle()
        self.stats = EngineStats()
        kept = [as_array(prefix) for prefix in prefixes]
        if not kept or not self._scheduler.cache.evict_except(kept):
            self._scheduler.reset()
            self._evaluate(kept)

    def _check_idle(self) -> None:
        if self._busy:
            raise EngineError("another run on this engine is not over: finish it, or close its iterator, first")

    def _evaluate(self, prefixes: Sequence[TokenArray]) -> None:
        """Fill an empty cache with prefixes, one after the other."""
        for prefix in prefixes:
            self._scheduler.add_prefix(prefix)
            while self._scheduler.has_work:
                self._step()
        self._scheduler.cache.evict_except(prefixes)

    def _end_run(self) -> None:
        """Keep the cached prefixes for the next run; after a run that was broken off, clear everything."""
        if self._context.closed:
            return
        if self._scheduler.has_work:
            self._scheduler.reset()
        else:
            self._scheduler.cache.set_last(None)

    def _step(self) -> None:
        """Schedule, decode, collect."""
        scheduled = self._scheduler.schedule()
        self.stats.prefill_tokens += scheduled.prefill
        self.stats.decode_tokens += scheduled.decode
        if self._context.rows:
            self._context.decode()
            self.stats.batches += 1
        self._collect()

    def _collect(self) -> None:
        """Read the logits of the batch, and advance the sequences that have nothing left to evaluate.

        (Also one that had nothing to evaluate at all: a new prefix with which a cached one begins.)
        """
        for sequence in list(self._scheduler.running):
            self._read_logits(sequence)
            sequence.num_computed_tokens = sequence.scheduled_len
            sequence.rows = EMPTY
            if not sequence.num_pending_tokens:
                self._advance(sequence)

    def _read_logits(self, sequence: KvSequence) -> None:
        """Answer the queries whose rows were in the batch."""
        while sequence.queries and sequence.queries[0].position < sequence.scheduled_len:
            query = sequence.queries.pop(0)
            row = int(sequence.rows[query.position - sequence.num_computed_tokens])
            sequence.logits.append(self._context.get_logits(row, query.token_ids))

    def _advance(self, sequence: KvSequence) -> None:
        """Send a request the logits of its step; it returns its result, or yields its next step."""
        if sequence.request is None:
            self._scheduler.finish(sequence)
            return
        try:
            step = sequence.request.coroutine.send(tuple(sequence.logits))
        except StopIteration as stop:
            sequence.request.set_result(stop.value)
            self._scheduler.finish(sequence)
        else:
            self._scheduler.append(sequence, step)
