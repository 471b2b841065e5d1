"""Read groups of requests ahead, a window at a time, and hand out the results of each group in order.

Where a window ends depends on the requests alone, never on time, unless the source says that nothing more has
arrived. So the same input gives the same batches, and the same scores to the last digit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from guardcli.engine.plan import ScheduledPrompt, UniqueTokenCounter
from guardcli.engine.request import EngineStats, K, LogitCoroutine, RequestGroups, RequestStep, T
from guardcli.models.vocab import TokenIds


@dataclass(slots=True)
class RequestGroup(Generic[K, T]):
    """The requests of one record: its key, their results so far, and how many are still to come."""

    key: K
    results: list[T | None]
    num_pending: int

    def set_result(self, index: int, result: T) -> None:
        self.results[index] = result
        self.num_pending -= 1


@dataclass(frozen=True, slots=True)
class PendingRequest(Generic[T]):
    """A request that has yielded its first step, and where its result belongs."""

    coroutine: LogitCoroutine[T]
    step: RequestStep
    group: RequestGroup[Any, T]
    index: int
    prompt: ScheduledPrompt

    def set_result(self, result: T) -> None:
        self.group.set_result(self.index, result)


class RequestQueue(Generic[K, T]):
    """Windows of requests from an iterator of groups.

    `paused` says that the source had nothing more for now, `ended` that it is exhausted or has failed. `error` is the
    exception of the source, to be raised once everything before it is finished.
    """

    def __init__(
        self,
        groups: RequestGroups[K, T],
        stats: EngineStats,
        *,
        max_prompts: int,
        max_unique_tokens: int,
    ) -> None:
        self._groups = iter(groups)
        self._stats = stats
        self._max_prompts = max_prompts
        self._max_unique_tokens = max_unique_tokens
        self._unfinished: deque[RequestGroup[K, T]] = deque()  # read, and their results not handed out
        self._num_groups = 0
        self.paused = False
        self.ended = False
        self.error: Exception | None = None

    @property
    def has_unfinished(self) -> bool:
        return bool(self._unfinished)

    def next_window(self, cached_prefixes: Sequence[TokenIds]) -> list[PendingRequest[T]]:
        """Start the requests of the next window; fewer, or none, where the source pauses or ends.

        A window ends with the group that brings it to `max_prompts`, or to `max_unique_tokens`: tokens that neither
        `cached_prefixes` nor other prompts of the window begin with. Declared prefixes do not count, or the first
        window, in which all of them are new, would be too short to show what else its prompts share.
        """
        window: list[PendingRequest[T]] = []
        counter = UniqueTokenCounter(cached_prefixes)
        unique_tokens = beyond_prefixes = num_groups = 0
        # Groups without a prompt (records that cannot be judged) count as well: a file of them is not read to its end.
        while max(len(window), num_groups) < self._max_prompts and beyond_prefixes < self._max_unique_tokens:
            keyed_group = self._next_group()
            if keyed_group is None:
                break
            num_groups += 1
            for request in self._start(*keyed_group):
                window.append(request)
                new = counter.add(request.prompt)
                unique_tokens += new
                beyond_prefixes += min(new, len(request.prompt.tokens) - request.prompt.prefix_len)
        self._stats.prompts += len(window)
        self._stats.prompt_tokens += sum(len(request.prompt.tokens) for request in window)
        self._stats.unique_tokens += unique_tokens
        return window

    def pop_finished(self) -> Iterator[tuple[K, list[T]]]:
        """Hand out the results of the groups that are complete, up to the first that is not."""
        while self._unfinished and not self._unfinished[0].num_pending:
            group = self._unfinished.popleft()
            yield group.key, group.results  # type: ignore[misc]

    def _next_group(self) -> tuple[K, Sequence[LogitCoroutine[T]]] | None:
        """The next group and its key; None where the source pauses, ends or fails."""
        try:
            keyed_group = next(self._groups)
        except StopIteration:
            self.ended = True
            return None
        except Exception as error:  # raised once the groups before it are finished
            self.error, self.ended = error, True
            return None
        self.paused = keyed_group is None
        return keyed_group

    def _start(self, key: K, coroutines: Sequence[LogitCoroutine[T]]) -> Iterator[PendingRequest[T]]:
        """Run each coroutine of a group to its first step."""
        group: RequestGroup[K, T] = RequestGroup(key, [None] * len(coroutines), len(coroutines))
        self._unfinished.append(group)
        self._num_groups += 1
        for index, coroutine in enumerate(coroutines):
            try:
                step = next(coroutine)
            except StopIteration as stop:
                group.set_result(index, stop.value)
                continue
            yield PendingRequest(coroutine, step, group, index, _prompt(step, self._num_groups))


def _prompt(step: RequestStep, group: int) -> ScheduledPrompt:
    max_cached_len = min((query.position for query in step.queries), default=len(step.tokens))
    return ScheduledPrompt(step.tokens, group, max_cached_len, min(step.prefix_len, max_cached_len))
