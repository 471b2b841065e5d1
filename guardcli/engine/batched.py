"""The fast engine: many prompts a batch, shared prefixes evaluated once, heads held. It knows ids only.

A step is schedule → decode → collect. Sequences under way get their rows first; then the plan's next entries
begin while the batch, the cache and the sequence numbers have room. A token that several sequences share is
one row with all their numbers; what stands in the cache already is shared by a copy of its metadata.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from guardcli.engine.cells import Cells
from guardcli.engine.context import Context
from guardcli.engine.plan import Entry, common_prefix, plan
from guardcli.engine.sequence import NONE, Sequence
from guardcli.engine.task import ANSWER_ROOM, Counts, Footprint, Groups, Step, T
from guardcli.engine.window import Primed, Windows, as_numpy, finish
from guardcli.errors import EngineError

HEAD_AGE = 512  # sequences begun since a head was last of use, after which it goes
WINDOW_BATCHES = 4  # how many batches of new tokens the engine looks ahead


class BatchedEngine:
    """Runs tasks in shared batches on a context that it owns."""

    def __init__(self, context: Context) -> None:
        self.counts = Counts()
        self._context = context
        self._busy = False
        self._planned: deque[tuple[Entry, Primed[Any] | None]] = deque()
        self._reset()

    @property
    def max_tokens(self) -> int:
        return self._context.shape.longest

    @property
    def shape(self) -> str:
        return repr(self._context.shape)

    @property
    def footprint(self) -> Footprint:
        return self._context.footprint

    def run(self, groups: Groups[T]) -> Iterator[list[T]]:
        """See `Engine.run`. One run at a time.

        Raises:
            EngineError: llama.cpp failed, a prompt does not fit the cache, or another run is not over yet.
        """
        self._check_idle()
        self._busy = True
        shape = self._context.shape
        windows = Windows(iter(groups), shape.sequences, WINDOW_BATCHES * shape.batch, self.counts)
        try:
            while not (windows.ended and not self._planned and not self._active):
                if not self._planned and not windows.ended and not (windows.paused and self._active):
                    self._plan(windows.next([head.tokens for head in self._heads]))
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

    def reset(self) -> None:
        """See `Engine.reset`."""
        self._check_idle()
        self.counts = Counts()
        self._reset()

    def close(self) -> None:
        """Free the context."""
        self._context.close()

    def _check_idle(self) -> None:
        if self._busy:
            raise EngineError("another run on this engine is not over: finish it, or close its iterator, first")

    def _reset(self) -> None:
        self._context.forget()
        self._cells = Cells(self._context.shape.cells)
        self._numbers = list(range(self._context.shape.sequences - 1, -1, -1))
        self._active: list[Sequence] = []
        self._heads: list[Sequence] = []
        self._path: list[Sequence] = []  # the heads that `_last` begins with, the shortest first
        self._last: Sequence | None = None  # begun last: the next one shares with it
        self._begun = 0
        self._open = 0  # tokens of the sequences under way that have no row yet
        self._planned.clear()

    def _abandon(self) -> None:
        """Heads outlive a run; after one that was broken off nothing does."""
        if self._context.closed:
            return
        if self._active or self._planned:
            self._reset()
        else:
            self._follow(None, 0)

    def _plan(self, window: list[Primed[Any]]) -> None:
        for head in list(self._heads):
            if self._begun - head.last_used > HEAD_AGE:
                self._drop_head(head)
        entries = plan(
            [primed.prompt for primed in window], [head.tokens for head in self._heads], self._context.shape.heads
        )
        for entry in entries:
            self._planned.append((entry, None if entry.prompt is None else window[entry.prompt]))

    # schedule

    def _step(self) -> None:
        self._context.clear()
        for sequence in self._active:
            self._extend(sequence)
        self._open = sum(sequence.open for sequence in self._active)
        while self._planned and not self._waits() and self._begin():
            pass
        if self._context.rows:
            self._context.decode()
            self.counts.decodes += 1
        elif self._active and all(sequence.open for sequence in self._active):
            raise EngineError("the cache is full of answers: raise --ctx-size or lower --parallel")
        elif self._planned and not self._active:
            self._make_room(self._planned[0][0])
        self._collect()  # also a head that an older one begins with, of which nothing was left to evaluate

    def _waits(self) -> bool:
        """Whether no prompt may begin: the last one has open tokens, or answers come first."""
        if self._last and self._last.open:
            return True
        return self._context.shape.answers_first and any(sequence.answering for sequence in self._active)

    def _begin(self) -> bool:
        """Begin the plan's next entry; False if a row, a number or cells are short."""
        entry, primed = self._planned[0]
        if primed is None and self._held(entry):
            self._planned.popleft()
            return True
        in_common = common_prefix(self._last.tokens, entry.tokens) if self._last else 0
        source, shared = self._source(entry, primed, in_common)
        if not self._has_room(len(entry.tokens) - shared, primed):
            return False
        self._planned.popleft()
        sequence = Sequence(self._numbers.pop(), entry.tokens, primed)
        if source is not None:
            self._share(source, sequence, shared)
        self._begun += 1
        self._follow(sequence, in_common)
        self._active.append(sequence)
        if primed is None:
            self._add_head(sequence)
        else:
            sequence.probes = [(probe.position, probe.tokens) for probe in primed.step.probes]
        self._extend(sequence)
        self._open += sequence.open
        return True

    def _source(self, entry: Entry, primed: Primed[Any] | None, in_common: int) -> tuple[Sequence | None, int]:
        """What an entry can share with, and how many tokens. By the order of the plan that is the last one, with which
        it has so many `in_common`.

        A new head may also be the beginning of an older, longer one, which stands after it in the order.
        """
        if primed is not None:
            return (self._last, min(in_common, primed.prompt.reach)) if in_common else (None, 0)
        source, most = self._last, in_common
        for head in self._heads:
            if not head.open and (shared := common_prefix(head.tokens, entry.tokens)) > most:
                source, most = head, shared
        return (source, most) if most else (None, 0)

    def _has_room(self, tokens: int, primed: Primed[Any] | None) -> bool:
        context = self._context
        outputs = len(primed.step.probes) if primed else 0
        if not context.room or context.rows >= context.shape.enough or not self._numbers:
            return False
        if len(self._active) >= context.shape.sequences - context.shape.spare:
            return False
        promised = self._open + ANSWER_ROOM * (len(self._active) + 1)
        return context.outputs + outputs <= context.shape.outputs and tokens + promised <= self._cells.free

    def _share(self, source: Sequence, sequence: Sequence, count: int) -> None:
        """Let a new sequence begin with the first `count` tokens of another, stored or still in the batch."""
        sequence.stored = min(count, source.stored)
        if sequence.stored:
            self._context.copy(source.number, sequence.number, sequence.stored)
        sequence.rows = source.rows[: count - sequence.stored]
        self._context.tag(sequence.rows, sequence.number)
        sequence.cells = self._cells.share(source.cells[:count])

    def _extend(self, sequence: Sequence) -> None:
        """Give a sequence's open tokens rows, as many as there is room for."""
        begun = sequence.begun
        count = min(len(sequence.tokens) - begun, self._context.room, self._cells.free)
        wanted = [position for position, _ in sequence.probes if begun <= position < begun + count]
        if not count or self._context.outputs + len(wanted) > self._context.shape.outputs:
            return
        rows = self._context.add(sequence.tokens[begun : begun + count], begun, sequence.number)
        for position in wanted:
            self._context.want(int(rows[position - begun]))
        sequence.rows = np.concatenate((sequence.rows, rows)) if len(sequence.rows) else rows
        sequence.cells = np.concatenate((sequence.cells, self._cells.take(count)))
        if sequence.answering:
            self.counts.answer += count
        else:
            self.counts.evaluated += count

    # collect

    def _collect(self) -> None:
        for sequence in list(self._active):
            self._read(sequence)
            sequence.stored = sequence.begun
            sequence.rows = NONE
            if not sequence.open:
                self._advance(sequence)

    def _read(self, sequence: Sequence) -> None:
        """Read the probes whose rows were in the batch."""
        while sequence.probes and sequence.probes[0][0] < sequence.begun:
            position, tokens = sequence.probes.pop(0)
            row = int(sequence.rows[position - sequence.stored])
            sequence.readings.append(self._context.read(row, tokens))

    def _advance(self, sequence: Sequence) -> None:
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

    def _go_on(self, sequence: Sequence, step: Step) -> None:
        keep = len(sequence.tokens) if step.keep is None else step.keep
        if keep < sequence.stored:
            self._context.remove(sequence.number, keep)
            self._cells.drop(sequence.cells[keep:])
            sequence.cells, sequence.stored = sequence.cells[:keep], keep
        sequence.tokens = np.concatenate((sequence.tokens[:keep], as_numpy(step.tokens)))
        sequence.probes = [(probe.position, probe.tokens) for probe in step.probes]
        sequence.readings = []
        sequence.answering = True

    # holding and letting go

    def _follow(self, sequence: Sequence | None, shared: int) -> None:
        """Make a sequence the one that the next one shares with. It has `shared` tokens in common with the last one."""
        before, self._last = self._last, sequence
        self._path = [head for head in self._path if len(head.tokens) <= shared]
        for head in self._path:
            head.last_used = self._begun
        if before is not None:
            self._let_go(before)

    def _retire(self, sequence: Sequence) -> None:
        sequence.active = False
        self._active.remove(sequence)
        self._let_go(sequence)

    def _let_go(self, sequence: Sequence) -> None:
        """Free a sequence's number and cells, unless it is still of use."""
        if sequence.active or sequence is self._last or sequence in self._heads:
            return
        self._context.remove(sequence.number)
        self._cells.drop(sequence.cells)
        self._numbers.append(sequence.number)

    def _held(self, entry: Entry) -> bool:
        """Whether a head of the plan stands in the cache; if so it is the next one's to share with."""
        for head in self._heads:
            if head.tokens is entry.tokens:
                self._follow(head, common_prefix(head.tokens, self._last.tokens) if self._last else 0)
                if head not in self._path:
                    self._path.append(head)
                return True
        return False

    def _add_head(self, head: Sequence) -> None:
        """Hold a new head, in place of the least recently used ones if they become too many or too long."""
        self._heads.append(head)
        self._path.append(head)
        head.last_used = self._begun
        others = sorted((h for h in self._heads if h not in self._path), key=lambda h: h.last_used)
        for other in others:
            held = sum(len(h.tokens) for h in self._heads)
            if len(self._heads) > self._context.shape.heads or held > self._context.shape.held:
                self._drop_head(other)

    def _drop_head(self, head: Sequence) -> None:
        self._heads.remove(head)
        if head in self._path:
            self._path.remove(head)
        self._let_go(head)

    def _make_room(self, entry: Entry) -> None:
        """Nothing is under way and the next entry does not fit: let go of what is held, the dearest last."""
        others = [head for head in self._heads if head not in self._path]
        if others:
            self._drop_head(min(others, key=lambda head: head.last_used))
        elif self._last is not None and self._last not in self._path:
            head = self._path[-1] if self._path else None
            self._follow(head, len(head.tokens) if head else 0)
        elif self._path:
            self._drop_head(self._path[-1])
            self._follow(None, 0)
        else:
            raise EngineError(f"a prompt of {len(entry.tokens):,} tokens does not fit the cache: raise --ctx-size")
