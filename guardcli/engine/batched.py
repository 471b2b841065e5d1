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
from guardcli.engine.sequence import KvSequence
from guardcli.errors import EngineError
from guardcli.models.vocab import TokenIds

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
                if not scheduler.has_waiting and not queue.ended and not (queue.paused and scheduler.has_running):
                    scheduler.add_window(queue.next_window(scheduler.cached_prefixes))
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
        kept = list(prefixes)
        if not kept or not self._scheduler.keep_prefixes(kept):
            self._scheduler.reset()
            self._evaluate(kept)

    def _check_idle(self) -> None:
        if self._busy:
            raise EngineError(
                "another run on this engine is still in progress: finish it or close its iterator first",
                code="engine/busy",
            )

    def _evaluate(self, prefixes: Sequence[TokenIds]) -> None:
        """Fill an empty cache with prefixes, one after the other."""
        for prefix in prefixes:
            self._scheduler.add_prefix(prefix)
            while self._scheduler.has_work:
                self._step()
        self._scheduler.keep_prefixes(prefixes)

    def _end_run(self) -> None:
        if not self._context.closed:
            self._scheduler.end_run()

    def _step(self) -> None:
        """Schedule, decode, and advance what has nothing left to evaluate."""
        scheduled = self._scheduler.schedule()
        self.stats.prefill_tokens += scheduled.prefill
        self.stats.decode_tokens += scheduled.decode
        if self._context.rows:
            self._context.decode()
            self.stats.batches += 1
        for sequence in self._scheduler.finish_batch():
            self._advance(sequence)

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
