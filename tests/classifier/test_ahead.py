from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Iterable, Iterator
from queue import Queue
from typing import TypeVar

import pytest

from guardcli.classifier import ahead

T = TypeVar("T")


def run_ahead(items: Iterable[T], *, room: int = 100, live: bool = False) -> Iterator[T | None]:
    """Every item weighs one."""
    return ahead.run_ahead(items, weigh=lambda item: 1, room=room, live=live)


def test_a_heavy_item_waits_for_those_before_it_and_not_for_ever() -> None:
    assert list(ahead.run_ahead([1, 9, 9, 1], weigh=lambda item: item, room=3)) == [1, 9, 9, 1]


def test_order_is_kept() -> None:
    assert list(run_ahead(range(1000), room=3)) == list(range(1000))


def test_live_says_when_nothing_has_arrived() -> None:
    arrivals: Queue[int | None] = Queue()
    items = run_ahead(iter(arrivals.get, None), live=True)
    assert next(items) is None
    arrivals.put(1)
    assert next(items) == 1
    assert next(items) is None
    arrivals.put(None)
    assert list(items) == []


def test_an_exception_comes_out_in_its_place() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("x")

    items = run_ahead(failing())
    assert [next(items), next(items)] == [1, None]
    with pytest.raises(KeyError):
        next(items)


def test_look_ahead_is_bounded_and_ends_with_its_reader() -> None:
    read = []

    def counted() -> Iterator[int]:
        for number in range(10_000):
            read.append(number)
            yield number

    items = run_ahead(counted(), room=5)
    next(items)
    time.sleep(0.2)
    assert len(read) <= 8
    items.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "guard-ahead":
            thread.join(timeout=5)
            assert not thread.is_alive()


def test_ctrl_c_just_before_a_wait_is_not_lost() -> None:
    """The interpreter knows of it, and nothing wakes the thread that waits: no item comes, and it is raised."""
    done = threading.Event()
    came = []

    def one_item() -> Iterator[int]:
        done.wait(60)  # a bound for the test that fails
        came.append(1)
        yield 1

    threading.Timer(0.2, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        next(run_ahead(one_item()))
    assert not came
    done.set()
