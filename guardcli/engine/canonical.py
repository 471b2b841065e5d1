"""The canonical engine: one shape for every prompt, so that a score depends on its prompt alone.

Numbers depend on the shape of an evaluation: how many tokens stand in the batch, and at which cells. Here the
head is evaluated by itself from the first cell on, and the rest by itself behind it, whatever came before. It
is the slow path, and the oracle of the fast one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from guardcli.engine.context import Context
from guardcli.engine.plan import Tokens
from guardcli.engine.task import Counts, Footprint, Groups, Probe, Reading, Step, T, Task
from guardcli.engine.window import as_numpy
from guardcli.errors import EngineError
from guardcli.text.segments import TokenIds

_SEQUENCE = 0


class CanonicalEngine:
    """Runs one task after the other on a context that it owns."""

    def __init__(self, context: Context) -> None:
        self.counts = Counts()
        self._context = context
        self._head: Tokens = np.empty(0, dtype=np.int32)

    @property
    def max_tokens(self) -> int:
        return self._context.shape.longest

    @property
    def shape(self) -> dict[str, int | bool | str]:
        return self._context.shape.as_json()

    @property
    def footprint(self) -> Footprint:
        return self._context.footprint

    def run(self, groups: Groups[T]) -> Iterator[list[T]]:
        """See `Engine.run`. Raises EngineError: llama.cpp failed, or a prompt is longer than `max_tokens`."""
        for group in groups:
            if group is not None:
                yield self._run_group(list(group))

    def reset(self, prefixes: Sequence[TokenIds] = ()) -> None:
        """See `Engine.reset`. A prefix is evaluated by itself anyway, when it is first needed."""
        self.counts = Counts()
        if not any(np.array_equal(self._head, as_numpy(prefix)) for prefix in prefixes):
            self._context.forget()
            self._head = self._head[:0]

    def close(self) -> None:
        """Free the context."""
        self._context.close()

    def _run_group(self, tasks: list[Task[T]]) -> list[T]:
        """A group's tasks with equal heads after each other; with the head that is in the cache, first."""
        results: dict[int, T] = {}
        primed = []
        for index, task in enumerate(tasks):
            try:
                primed.append((next(task), index, task))
            except StopIteration as stop:
                results[index] = stop.value
        self.counts.prompts += len(primed)
        self.counts.tokens += sum(len(step.tokens) for step, _, _ in primed)
        primed.sort(key=lambda item: (not self._has_head(item[0]), _head(item[0]).tobytes()))
        for _, alike in groupby(primed, key=lambda item: _head(item[0]).tobytes()):
            for step, index, task in alike:
                results[index] = self._run(task, step)
        return [results[index] for index in range(len(tasks))]

    def _run(self, task: Task[T], step: Step) -> T:
        self._set_head(_head(step))
        try:
            return self._answer(task, step)
        finally:
            if not self._context.closed:
                self._context.remove(_SEQUENCE, len(self._head))

    def _answer(self, task: Task[T], step: Step) -> T:
        start = len(self._head)
        readings = self._evaluate(as_numpy(step.tokens)[start:], start, step.probes)
        self.counts.evaluated += len(step.tokens) - start
        length = len(step.tokens)
        while True:
            try:
                step = task.send(readings)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if step.keep is not None:
                self._context.remove(_SEQUENCE, step.keep)
                length = step.keep
            readings = self._evaluate(as_numpy(step.tokens), length, step.probes)
            length += len(step.tokens)
            self.counts.answer += len(step.tokens)

    def _has_head(self, step: Step) -> bool:
        return np.array_equal(_head(step), self._head)

    def _set_head(self, head: Tokens) -> None:
        if not np.array_equal(head, self._head):
            self._context.forget()
            self._head = head[:0]
            self._evaluate(head, 0, ())
            self._head = head.copy()
            self.counts.evaluated += len(head)

    def _evaluate(self, tokens: Tokens, start: int, probes: tuple[Probe, ...]) -> tuple[Reading, ...]:
        """Evaluate tokens at `start` in batches of their own; the probes, in the order given."""
        if start + len(tokens) > self.max_tokens:
            raise EngineError(f"a prompt of {start + len(tokens):,} tokens does not fit: raise --ctx-size")
        readings: dict[int, Reading] = {}
        for at in range(0, len(tokens), self._context.shape.batch):
            part = tokens[at : at + self._context.shape.batch]
            self._context.clear()
            rows = self._context.add(part, start + at, _SEQUENCE)
            here = [probe for probe in probes if 0 <= probe.position - start - at < len(part)]
            for probe in here:
                self._context.want(int(rows[probe.position - start - at]))
            self._context.decode()
            self.counts.decodes += 1
            for probe in here:
                readings[probe.position] = self._context.read(int(rows[probe.position - start - at]), probe.tokens)
        return tuple(readings[probe.position] for probe in probes)


def _head(step: Step) -> Tokens:
    return as_numpy(step.tokens)[: step.head]
