"""The fast engine: many prompts a batch, shared prefixes evaluated once, heads held. It knows ids only.

A step is schedule → decode → collect. Sequences under way get their rows first; then the plan's next entries
begin while the batch, the cache and the sequence numbers have room. A token that several sequences share is
one row with all their numbers; what stands in the cache already is shared by a copy of its metadata.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from guardcli.engine.context import Context
from guardcli.engine.plan import Entry, Tokens, plan
from guardcli.engine.prefix_cache import Held
from guardcli.engine.request import MAX_ANSWER_TOKENS, EngineStats, MemoryUsage, RequestGroups, RequestStep, T
from guardcli.engine.request_queue import Primed, Windows, as_numpy, finish
from guardcli.engine.sequence import NONE, RunningSequence
from guardcli.errors import EngineError
from guardcli.text.segments import TokenIds

WINDOW_BATCHES = 4  # how many batches of new tokens the engine looks ahead


class BatchedEngine:
    """Runs tasks in shared batches on a context that it owns."""

    def __init__(self, context: Context) -> None:
        self.stats = EngineStats()
        self._context = context
        self._busy = False
        self._planned: deque[tuple[Entry, Primed[Any] | None]] = deque()
        self._reset()

    @property
    def max_model_len(self) -> int:
        return self._context.shape.longest

    @property
    def context_params(self) -> dict[str, int | bool | str]:
        return self._context.shape.as_json()

    @property
    def memory_usage(self) -> MemoryUsage:
        return self._context.memory_usage

    def run(self, groups: RequestGroups[T]) -> Iterator[list[T]]:
        """See `Engine.run`. One run at a time.

        Raises:
            EngineError: llama.cpp failed, a prompt does not fit the cache, or another run is not over yet.
        """
        self._check_idle()
        self._busy = True
        shape = self._context.shape
        windows = Windows(iter(groups), shape.sequences, WINDOW_BATCHES * shape.batch, self.stats)
        try:
            while not (windows.ended and not self._planned and not self._active):
                if not self._planned and not windows.ended and not (windows.paused and self._active):
                    self._plan(windows.next(self._held.known))
                if self._planned or self._active:
                    self._step()
                yield from windows.answered()
            if windows.failure is not None:
                raise windows.failure
            if windows.unanswered:
                raise AssertionError("tasks were lost")
        finally:
            self._busy = False
            self._abandon()

    def reset(self, prefixes: Sequence[TokenIds] = ()) -> None:
        """See `Engine.reset`::

        cells after a reset    [ prefix 1 | what prefix 2 does not share | … | free                     ]
        during a run           [ prefix 1 | what prefix 2 does not share | … | prompts, prefixes learned ]
        """
        self._check_idle()
        self.stats = EngineStats()
        wanted = [as_numpy(prefix) for prefix in prefixes]
        if not wanted or not self._held.keep_only(wanted):
            self._reset()
            self._evaluate(wanted)

    def close(self) -> None:
        """Free the context."""
        self._context.close()

    def _check_idle(self) -> None:
        if self._busy:
            raise EngineError("another run on this engine is not over: finish it, or close its iterator, first")

    def _evaluate(self, prefixes: Sequence[Tokens]) -> None:
        """Fill an empty cache with prefixes, one after the other."""
        for prefix in prefixes:
            self._planned.append((Entry.head(prefix), None))
            while self._planned or self._active:
                self._step()
        self._held.keep_only(prefixes)

    def _reset(self) -> None:
        self._context.forget()
        self._held = Held(self._context)
        self._active: list[RunningSequence] = []
        self._planned.clear()

    def _abandon(self) -> None:
        """Heads outlive a run; after one that was broken off nothing does."""
        if self._context.closed:
            return
        if self._active or self._planned:
            self._reset()
        else:
            self._held.follow(None, 0)

    def _plan(self, window: list[Primed[Any]]) -> None:
        self._held.drop_old()
        entries = plan([primed.prompt for primed in window], self._held.known, self._context.shape.heads)
        for entry in entries:
            self._planned.append((entry, None if entry.prompt is None else window[entry.prompt]))

    # schedule

    def _step(self) -> None:
        self._context.clear()
        for sequence in self._active:
            self._extend(sequence)
        # Counted once: after one that begins and is still open no other begins.
        waiting = sum(sequence.open for sequence in self._active)
        while self._planned and not self._waits() and self._begin(waiting):
            pass
        if self._context.rows:
            self._context.decode()
            self.stats.batches += 1
        elif self._active and all(sequence.open for sequence in self._active):
            raise EngineError("the cache is full of answers: raise --ctx-size or lower --parallel")
        elif self._planned and not self._active:
            self._held.make_room(self._planned[0][0])
        self._collect()  # also a head that an older one begins with, of which nothing was left to evaluate

    def _waits(self) -> bool:
        """Whether no prompt may begin: the last one has open tokens, or answers come first."""
        if self._held.last and self._held.last.open:
            return True
        return self._context.shape.answers_first and any(sequence.answering for sequence in self._active)

    def _begin(self, waiting: int) -> bool:
        """Begin the plan's next entry; False if a row, a number or cells are short. So many tokens of the sequences
        under way have no row yet."""
        entry, primed = self._planned[0]
        if primed is None and self._held.holds(entry):
            self._planned.popleft()
            return True
        shared = self._held.shared(entry, primed)
        if not self._has_room(len(entry.tokens) - shared.count + waiting, primed):
            return False
        self._planned.popleft()
        sequence = self._held.begin(entry, primed, shared)
        self._active.append(sequence)
        if primed is not None:
            sequence.queries = [(query.position, query.token_ids) for query in primed.step.queries]
        self._extend(sequence)
        return True

    def _has_room(self, tokens: int, primed: Primed[Any] | None) -> bool:
        context = self._context
        outputs = len(primed.step.queries) if primed else 0
        if not context.room or context.rows >= context.shape.enough or not self._held.numbers:
            return False
        if len(self._active) >= context.shape.sequences - context.shape.spare:
            return False
        promised = MAX_ANSWER_TOKENS * (len(self._active) + 1)
        return context.outputs + outputs <= context.shape.outputs and tokens + promised <= self._held.cells.free

    def _extend(self, sequence: RunningSequence) -> None:
        """Give a sequence's open tokens rows, as many as there is room for."""
        begun = sequence.begun
        count = min(len(sequence.tokens) - begun, self._context.room, self._held.cells.free)
        wanted = [position for position, _ in sequence.queries if begun <= position < begun + count]
        if not count or self._context.outputs + len(wanted) > self._context.shape.outputs:
            return
        rows = self._context.add(sequence.tokens[begun : begun + count], begun, sequence.number)
        for position in wanted:
            self._context.want(int(rows[position - begun]))
        sequence.rows = np.concatenate((sequence.rows, rows)) if len(sequence.rows) else rows
        sequence.cells = np.concatenate((sequence.cells, self._held.cells.take(count)))
        if sequence.answering:
            self.stats.decode_tokens += count
        else:
            self.stats.prefill_tokens += count

    # collect

    def _collect(self) -> None:
        for sequence in list(self._active):
            self._read(sequence)
            sequence.stored = sequence.begun
            sequence.rows = NONE
            if not sequence.open:
                self._advance(sequence)

    def _read(self, sequence: RunningSequence) -> None:
        """Read the probes whose rows were in the batch."""
        while sequence.queries and sequence.queries[0][0] < sequence.begun:
            position, tokens = sequence.queries.pop(0)
            row = int(sequence.rows[position - sequence.stored])
            sequence.readings.append(self._context.read(row, tokens))

    def _advance(self, sequence: RunningSequence) -> None:
        """All is evaluated: ask the task how it goes on."""
        if sequence.primed is None:
            self._retire(sequence)
            return
        try:
            step = sequence.primed.task.send(tuple(sequence.readings))
        except StopIteration as stop:
            finish(sequence.primed.group, sequence.primed.index, stop.value)
            self._retire(sequence)
        else:
            self._go_on(sequence, step)

    def _go_on(self, sequence: RunningSequence, step: RequestStep) -> None:
        keep_len = len(sequence.tokens) if step.keep_len is None else step.keep_len
        if keep_len < sequence.stored:
            self._context.remove(sequence.number, keep_len)
            self._held.cells.drop(sequence.cells[keep_len:])
            sequence.cells, sequence.stored = sequence.cells[:keep_len], keep_len
        sequence.tokens = np.concatenate((sequence.tokens[:keep_len], as_numpy(step.tokens)))
        sequence.queries = [(query.position, query.token_ids) for query in step.queries]
        sequence.readings = []
        sequence.answering = True

    def _retire(self, sequence: RunningSequence) -> None:
        sequence.active = False
        self._active.remove(sequence)
        self._held.let_go(sequence)
