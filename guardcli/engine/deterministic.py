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
from guardcli.engine.request import (
    EngineStats,
    LogitCoroutine,
    LogitQuery,
    Logits,
    MemoryUsage,
    RequestGroups,
    RequestStep,
    T,
)
from guardcli.engine.request_queue import as_numpy
from guardcli.errors import EngineError
from guardcli.text.segments import TokenIds

_SEQUENCE = 0


class DeterministicEngine:
    """Runs one task after the other on a context that it owns."""

    def __init__(self, context: Context) -> None:
        self.stats = EngineStats()
        self._context = context
        self._head: Tokens = np.empty(0, dtype=np.int32)

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
        """See `Engine.run`. Raises EngineError: llama.cpp failed, or a prompt is longer than `max_tokens`."""
        for group in groups:
            if group is not None:
                yield self._run_group(list(group))

    def reset(self, prefixes: Sequence[TokenIds] = ()) -> None:
        """See `Engine.reset`. A prefix is evaluated by itself anyway, when it is first needed."""
        self.stats = EngineStats()
        if not any(np.array_equal(self._head, as_numpy(prefix)) for prefix in prefixes):
            self._context.forget()
            self._head = self._head[:0]

    def close(self) -> None:
        """Free the context."""
        self._context.close()

    def _run_group(self, tasks: list[LogitCoroutine[T]]) -> list[T]:
        """A group's tasks with equal heads after each other; with the head that is in the cache, first."""
        results: dict[int, T] = {}
        primed = []
        for index, task in enumerate(tasks):
            try:
                primed.append((next(task), index, task))
            except StopIteration as stop:
                results[index] = stop.value
        self.stats.prompts += len(primed)
        self.stats.prompt_tokens += sum(len(step.tokens) for step, _, _ in primed)
        primed.sort(key=lambda item: (not self._has_head(item[0]), _head(item[0]).tobytes()))
        for _, alike in groupby(primed, key=lambda item: _head(item[0]).tobytes()):
            for step, index, task in alike:
                results[index] = self._run(task, step)
        return [results[index] for index in range(len(tasks))]

    def _run(self, task: LogitCoroutine[T], step: RequestStep) -> T:
        self._set_head(_head(step))
        try:
            return self._answer(task, step)
        finally:
            if not self._context.closed:
                self._context.remove(_SEQUENCE, len(self._head))

    def _answer(self, task: LogitCoroutine[T], step: RequestStep) -> T:
        start = len(self._head)
        readings = self._evaluate(as_numpy(step.tokens)[start:], start, step.queries)
        self.stats.prefill_tokens += len(step.tokens) - start
        length = len(step.tokens)
        while True:
            try:
                step = task.send(readings)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if step.keep_len is not None:
                self._context.remove(_SEQUENCE, step.keep_len)
                length = step.keep_len
            readings = self._evaluate(as_numpy(step.tokens), length, step.queries)
            length += len(step.tokens)
            self.stats.decode_tokens += len(step.tokens)

    def _has_head(self, step: RequestStep) -> bool:
        return np.array_equal(_head(step), self._head)

    def _set_head(self, head: Tokens) -> None:
        if not np.array_equal(head, self._head):
            self._context.forget()
            self._head = head[:0]
            self._evaluate(head, 0, ())
            self._head = head.copy()
            self.stats.prefill_tokens += len(head)

    def _evaluate(self, tokens: Tokens, start: int, queries: tuple[LogitQuery, ...]) -> tuple[Logits, ...]:
        """Evaluate tokens at `start` in batches of their own; the probes, in the order given."""
        if start + len(tokens) > self.max_model_len:
            raise EngineError(f"a prompt of {start + len(tokens):,} tokens does not fit: raise --ctx-size")
        readings: dict[int, Logits] = {}
        for at in range(0, len(tokens), self._context.shape.batch):
            part = tokens[at : at + self._context.shape.batch]
            self._context.clear()
            rows = self._context.add(part, start + at, _SEQUENCE)
            here = [query for query in queries if 0 <= query.position - start - at < len(part)]
            for query in here:
                self._context.want(int(rows[query.position - start - at]))
            self._context.decode()
            self.stats.batches += 1
            for query in here:
                readings[query.position] = self._context.read(int(rows[query.position - start - at]), query.token_ids)
        return tuple(readings[query.position] for query in queries)


def _head(step: RequestStep) -> Tokens:
    return as_numpy(step.tokens)[: step.prefix_len]
