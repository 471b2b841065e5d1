"""Tasks for engine tests: prompts of token ids, and the count of distinct tokens that the engine is held to."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from guardcli.engine import LogitCoroutine, LogitQuery, Logits, RequestStep

ASKED = (3, 1, 200)


@dataclass(frozen=True)
class Ask:
    """A prompt, then answers: each a continuation, or (keep, continuation) to cut the sequence back first."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int | None, tuple[int, ...]], ...] = ()
    head: int = 0

    def task(self) -> LogitCoroutine[list[Logits]]:
        return _task(self)


def _task(ask: Ask) -> LogitCoroutine[list[Logits]]:
    length = len(ask.prompt)
    (reading,) = yield RequestStep(array("i", ask.prompt), (LogitQuery(length - 1, ASKED),), prefix_len=ask.head)
    readings = [reading]
    for keep_len, tokens in ask.answers:
        length = (length if keep_len is None else keep_len) + len(tokens)
        (reading,) = yield RequestStep(array("i", tokens), (LogitQuery(length - 1, ASKED),), keep_len=keep_len)
        readings.append(reading)
    return readings


def tasks(groups: Sequence[Sequence[Ask]]) -> list[list[LogitCoroutine[list[Logits]]]]:
    return [[ask.task() for ask in group] for group in groups]


def distinct(groups: Sequence[Sequence[Ask]]) -> int:
    """Nodes of the prefix tree over all prompts: what no engine can do with less than."""
    tree: dict[int, dict] = {}
    count = 0
    for group in groups:
        for ask in group:
            node = tree
            for token in ask.prompt:
                if token not in node:
                    node[token] = {}
                    count += 1
                node = node[token]
    return count


def apart(a: Sequence[Logits], b: Sequence[Logits]) -> float:
    """The largest difference between two lists of readings."""
    assert len(a) == len(b)
    return max(
        abs(x - y)
        for one, other in zip(a, b, strict=True)
        for x, y in zip((*one.values, one.logsumexp), (*other.values, other.logsumexp), strict=True)
    )
