"""Windows of requests: where they end, in what order results leave, and what a source that pauses or fails does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from guardcli.engine import LogitCoroutine
from guardcli.engine.request import EngineStats
from guardcli.engine.request_queue import PendingRequest, RequestQueue
from tests.engine.requests import TokenRequest

Group = tuple[str, list[LogitCoroutine[Any]]]


def prompt(*tokens: int) -> LogitCoroutine[Any]:
    return TokenRequest(tokens).coroutine()


def at_once(result: str) -> LogitCoroutine[Any]:
    """A request that has its result without the model."""
    return result
    yield


def queue_of(*groups: Group | None, max_prompts: int = 100, max_unique_tokens: int = 1000) -> RequestQueue[str, Any]:
    return RequestQueue(groups, EngineStats(), max_prompts=max_prompts, max_unique_tokens=max_unique_tokens)


def tokens_of(window: list[PendingRequest[Any]]) -> list[list[int]]:
    return [request.prompt.tokens.tolist() for request in window]


def test_a_window_ends_with_the_group_that_fills_it() -> None:
    queue = queue_of(("a", [prompt(1, 2), prompt(1, 3)]), ("b", [prompt(4, 5)]), ("c", [prompt(6, 7)]), max_prompts=2)
    assert tokens_of(queue.next_window([])) == [[1, 2], [1, 3]]
    assert tokens_of(queue.next_window([])) == [[4, 5], [6, 7]]
    assert not queue.ended
    assert tokens_of(queue.next_window([])) == []
    assert queue.ended


def test_only_tokens_that_are_not_shared_fill_a_window() -> None:
    groups = [(str(number), [prompt(1, 2, 3, 4, number)]) for number in range(10, 14)]
    assert len(queue_of(*groups, max_unique_tokens=7).next_window([])) == 3, "five tokens, and one for each other"


def test_declared_prefixes_do_not_fill_a_window() -> None:
    groups = [(str(number), [TokenRequest((*range(9), number), prefix_len=9).coroutine()]) for number in range(10, 14)]
    assert len(queue_of(*groups, max_unique_tokens=3).next_window([])) == 3, "one token each, after the nine declared"


def test_groups_without_a_prompt_fill_a_window_too() -> None:
    queue = queue_of(*((str(number), [at_once("bad")]) for number in range(9)), max_prompts=4)
    assert queue.next_window([]) == []
    assert list(queue.pop_finished()) == [(str(number), ["bad"]) for number in range(4)]


def test_results_leave_in_the_order_of_the_groups() -> None:
    queue = queue_of(("a", [prompt(1), at_once("x")]), ("b", [prompt(2)]))
    first, second = queue.next_window([])
    second.set_result("second")
    assert list(queue.pop_finished()) == []
    first.set_result("first")
    assert list(queue.pop_finished()) == [("a", ["first", "x"]), ("b", ["second"])]
    assert not queue.has_unfinished


def test_a_source_that_pauses_ends_the_window_only() -> None:
    queue = queue_of(("a", [prompt(1)]), None, ("b", [prompt(2)]))
    assert tokens_of(queue.next_window([])) == [[1]]
    assert (queue.paused, queue.ended) == (True, False)
    assert tokens_of(queue.next_window([])) == [[2]]
    assert (queue.paused, queue.ended) == (False, True)


def test_what_came_before_a_failure_is_finished_first() -> None:
    def groups() -> Iterator[Group]:
        yield "a", [prompt(1)]
        raise OSError("gone")

    queue = RequestQueue[str, Any](groups(), EngineStats(), max_prompts=9, max_unique_tokens=9)
    (request,) = queue.next_window([])
    assert queue.ended
    request.set_result("done")
    assert list(queue.pop_finished()) == [("a", ["done"])]
    with pytest.raises(OSError, match="gone"):
        raise queue.error or AssertionError


def test_what_is_counted() -> None:
    stats = EngineStats()
    groups: list[Group] = [("a", [prompt(1, 2, 3), prompt(1, 2, 4)])]
    RequestQueue(groups, stats, max_prompts=9, max_unique_tokens=99).next_window([])
    assert (stats.prompts, stats.prompt_tokens, stats.unique_tokens) == (2, 6, 4)
