"""Groups as they arrive → windows of primed tasks: how far the engine looks ahead, and when it answers.

A window's end depends on the groups alone, never on time, unless the source says that nothing more has
arrived: so the same file gives the same batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic

import numpy as np
import numpy.typing as npt

from guardcli.engine.plan import Distinct, Prompt, Tokens
from guardcli.engine.request import EngineStats, LogitCoroutine, RequestStep, T
from guardcli.text.segments import TokenIds


@dataclass(slots=True)
class Group(Generic[T]):
    """The tasks of one record and their results so far; `waiting` counts those still to come."""

    results: list[T | None]
    waiting: int


@dataclass(frozen=True, slots=True)
class Primed(Generic[T]):
    """A task that has yielded its first step."""

    task: LogitCoroutine[T]
    step: RequestStep
    group: Group[T]
    index: int
    prompt: Prompt


@dataclass(slots=True)
class Windows(Generic[T]):
    """Reads groups ahead. `unanswered` holds the groups read so far whose results have not been given out."""

    groups: Iterator[Sequence[LogitCoroutine[T]] | None]
    max_prompts: int
    max_tokens: int
    stats: EngineStats
    unanswered: deque[Group[T]] = field(default_factory=deque)
    paused: bool = False
    ended: bool = False
    failure: Exception | None = None
    _count: int = 0

    def next(self, heads: Sequence[Tokens]) -> list[Primed[T]]:
        """The next window; shorter, or empty, where the source pauses (`paused`) or ends (`ended`).

        It ends with the group that brings it to `max_prompts`, or to `max_tokens` that neither `heads` nor
        other prompts of the window begin with.
        """
        window: list[Primed[T]] = []
        distinct = Distinct(heads)
        fresh = taken = 0
        # Groups without a prompt (records that cannot be judged) count as well, or a file of them would have no end.
        while max(len(window), taken) < self.max_prompts and fresh < self.max_tokens:
            tasks = self._arrived()
            if tasks is None:
                break
            taken += 1
            for primed in self._prime(tasks):
                window.append(primed)
                fresh += distinct.new(primed.prompt)
        self.stats.prompts += len(window)
        self.stats.prompt_tokens += sum(len(primed.prompt.tokens) for primed in window)
        self.stats.unique_tokens += fresh
        return window

    def _arrived(self) -> Sequence[LogitCoroutine[T]] | None:
        """The next group; None at a pause (`paused`), at the end or a `failure` of the source (`ended`)."""
        try:
            tasks = next(self.groups)
        except StopIteration:
            self.ended = True
            return None
        except Exception as error:  # what was read before it is answered first
            self.failure, self.ended = error, True
            return None
        self.paused = tasks is None
        return tasks

    def answered(self) -> Iterator[list[T]]:
        """The results of every group that is complete and whose turn it is."""
        while self.unanswered and not self.unanswered[0].waiting:
            yield self.unanswered.popleft().results  # type: ignore[misc]

    def _prime(self, tasks: Sequence[LogitCoroutine[T]]) -> Iterator[Primed[T]]:
        group: Group[T] = Group([None] * len(tasks), len(tasks))
        self.unanswered.append(group)
        self._count += 1
        for index, task in enumerate(tasks):
            try:
                step = next(task)
            except StopIteration as stop:
                finish(group, index, stop.value)
                continue
            yield Primed(task, step, group, index, _prompt(step, self._count))


def finish(group: Group[T], index: int, result: T) -> None:
    """Record the result of a task."""
    group.results[index] = result
    group.waiting -= 1


def _prompt(step: RequestStep, group: int) -> Prompt:
    reach = min((query.position for query in step.queries), default=len(step.tokens))
    return Prompt(as_numpy(step.tokens), group, reach, min(step.prefix_len, reach))


def as_numpy(tokens: TokenIds) -> npt.NDArray[np.int32]:
    """Token ids as numpy sees them, without a copy."""
    return np.frombuffer(tokens, dtype=np.int32) if len(tokens) else np.empty(0, dtype=np.int32)
