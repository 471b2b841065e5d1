"""The deterministic engine: one shape for every prompt, so that a score depends on its prompt alone.

The last digits of a logit depend on the shape of its evaluation: how many tokens are in the batch, and in which cells.
Here every prompt is evaluated in the same two parts, regardless of what came before it:

    cells     [ prefix, by itself | rest of the prompt, by itself | answers | free ]
    next one  [ prefix, kept      | removed, and evaluated anew             | free ]

It is slower than the batched engine, and the reference that the tests compare it with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from guardcli.engine.context import LlamaContext
from guardcli.engine.context_engine import ContextEngine
from guardcli.engine.request import (
    EngineStats,
    K,
    LogitCoroutine,
    LogitQuery,
    Logits,
    RequestGroups,
    RequestStep,
    T,
)
from guardcli.errors import EngineError
from guardcli.models.vocab import TokenIds

_SEQ_ID = 0


class DeterministicEngine(ContextEngine):
    """Runs one request after the other on a context that it owns."""

    reproducible = True

    def __init__(self, context: LlamaContext) -> None:
        super().__init__(context)
        self._prefix: TokenIds = np.empty(0, dtype=np.int32)  # the one in the cache

    def run(self, groups: RequestGroups[K, T]) -> Iterator[tuple[K, list[T]]]:
        """See `Engine.run`."""
        for keyed_group in groups:
            if keyed_group is not None:
                key, group = keyed_group
                yield key, self._run_group(list(group))

    def reset(self, prefixes: Sequence[TokenIds] = ()) -> None:
        """See `Engine.reset`. A prefix is evaluated by itself anyway, when it is first needed."""
        self.stats = EngineStats()
        if not any(np.array_equal(self._prefix, prefix) for prefix in prefixes):
            self._context.clear_cache()
            self._prefix = self._prefix[:0]

    def _run_group(self, requests: list[LogitCoroutine[T]]) -> list[T]:
        """Run the requests of a group by their prefixes, to change the one in the cache as seldom as possible."""
        results: dict[int, T] = {}
        started = []
        for index, request in enumerate(requests):
            try:
                started.append((next(request), index, request))
            except StopIteration as stop:
                results[index] = stop.value
        self.stats.prompts += len(started)
        self.stats.prompt_tokens += sum(len(step.tokens) for step, _, _ in started)
        started.sort(key=lambda item: (not self._is_cached(_prefix(item[0])), _prefix(item[0]).tobytes()))
        for step, index, request in started:
            results[index] = self._run(request, step)
        return [results[index] for index in range(len(requests))]

    def _run(self, request: LogitCoroutine[T], step: RequestStep) -> T:
        self._set_prefix(_prefix(step))
        try:
            return self._answer(request, step)
        finally:
            if not self._context.closed:
                self._context.remove_sequence(_SEQ_ID, len(self._prefix))

    def _answer(self, request: LogitCoroutine[T], step: RequestStep) -> T:
        start, length = len(self._prefix), len(step.tokens)
        logits = self._evaluate(step.tokens[start:], start, step.queries)
        self.stats.prefill_tokens += length - start
        while True:
            try:
                step = request.send(logits)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if step.keep_len is not None:
                self._context.remove_sequence(_SEQ_ID, step.keep_len)
                length = step.keep_len
            logits = self._evaluate(step.tokens, length, step.queries)
            length += len(step.tokens)
            self.stats.decode_tokens += len(step.tokens)

    def _is_cached(self, prefix: TokenIds) -> bool:
        return np.array_equal(prefix, self._prefix)

    def _set_prefix(self, prefix: TokenIds) -> None:
        """Evaluate a prefix, unless it is the one in the cache."""
        if not self._is_cached(prefix):
            self._context.clear_cache()
            self._prefix = prefix[:0]
            self._evaluate(prefix, 0, ())
            self._prefix = prefix.copy()
            self.stats.prefill_tokens += len(prefix)

    def _evaluate(self, tokens: TokenIds, start: int, queries: Sequence[LogitQuery]) -> tuple[Logits, ...]:
        """Evaluate tokens from position `start` on, in batches of their own; the logits in the order of `queries`."""
        if start + len(tokens) > self.max_model_len:
            raise EngineError(
                f"a prompt of {start + len(tokens):,} tokens does not fit: raise EngineConfig.max_prompt_tokens",
                code="engine/prompt-too-long",
            )
        context, batch_size = self._context, self._context.params.batch_size
        logits: dict[int, Logits] = {}
        for offset in range(0, len(tokens), batch_size):
            chunk = tokens[offset : offset + batch_size]
            context.clear_batch()
            rows = context.add(chunk, start + offset, _SEQ_ID)
            row_of = {
                query: int(rows[query.position - start - offset])
                for query in queries
                if 0 <= query.position - start - offset < len(chunk)
            }
            for row in row_of.values():
                context.request_logits(row)
            context.decode()
            self.stats.batches += 1
            for query, row in row_of.items():
                logits[query.position] = context.get_logits(row, query.token_ids)
        return tuple(logits[query.position] for query in queries)


def _prefix(step: RequestStep) -> TokenIds:
    return step.tokens[: step.prefix_len]
