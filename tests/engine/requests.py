"""Requests for engine tests: prompts of token ids, how many tokens of them are unique, and how far logits differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from guardcli.engine import Engine, LogitCoroutine, LogitQuery, Logits, RequestStep

TOKEN_IDS = (3, 1, 200)


@dataclass(frozen=True)
class TokenRequest:
    """A prompt, then answers: each a continuation, or (keep_len, continuation) to cut the sequence back first."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int | None, tuple[int, ...]], ...] = ()
    prefix_len: int = 0

    def coroutine(self) -> LogitCoroutine[list[Logits]]:
        """Ask for logits after the prompt, and after each answer."""
        length = len(self.prompt)
        query = LogitQuery(length - 1, TOKEN_IDS)
        results = list((yield RequestStep(np.array(self.prompt, dtype=np.int32), (query,), prefix_len=self.prefix_len)))
        for keep_len, tokens in self.answers:
            length = (length if keep_len is None else keep_len) + len(tokens)
            query = LogitQuery(length - 1, TOKEN_IDS)
            results += yield RequestStep(np.array(tokens, dtype=np.int32), (query,), keep_len=keep_len)
        return results


KeyedCoroutines = tuple[int, list[LogitCoroutine[list[Logits]]]]


def coroutines(groups: Sequence[Sequence[TokenRequest]]) -> list[KeyedCoroutines]:
    """Groups as an engine takes them; the key of each is its index."""
    return [(index, [request.coroutine() for request in group]) for index, group in enumerate(groups)]


def results_of(engine: Engine, groups: Sequence[Sequence[TokenRequest]]) -> Iterator[list[list[Logits]]]:
    """Run groups; each must come back under its own key, and in order."""
    for index, (key, results) in enumerate(engine.run(coroutines(groups))):
        assert key == index
        yield results


def count_unique_tokens(groups: Sequence[Sequence[TokenRequest]]) -> int:
    """Nodes of the prefix tree over all prompts: no engine can evaluate fewer tokens."""
    tree: dict[int, dict] = {}
    count = 0
    for group in groups:
        for request in group:
            node = tree
            for token in request.prompt:
                if token not in node:
                    node[token] = {}
                    count += 1
                node = node[token]
    return count


def max_difference(a: Sequence[Logits], b: Sequence[Logits]) -> float:
    """The largest difference between two lists of logits."""
    assert len(a) == len(b)
    return max(
        abs(x - y)
        for one, other in zip(a, b, strict=True)
        for x, y in zip((*one.values, one.logsumexp), (*other.values, other.logsumexp), strict=True)
    )
