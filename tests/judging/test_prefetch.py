from __future__ import annotations

import _thread
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from queue import Queue
from typing import TypeVar

import pytest

from guardcli.judging.prefetch import prefetch_items

T = TypeVar("T")


def prefetch_all(items: Iterable[T], *, room: int = 100, live: bool = False) -> Iterator[T | None]:
    """Every item weighs one."""
    return prefetch_items(items, weigh=lambda item: 1, room=room, live=live)


def test_a_heavy_item_waits_for_those_before_it_and_not_for_ever() -> None:
    assert list(prefetch_items([1, 9, 9, 1], weigh=lambda item: item, room=3)) == [1, 9, 9, 1]


def test_order_is_kept() -> None:
    assert list(prefetch_all(range(1000), room=3)) == list(range(1000))


def test_live_says_when_nothing_has_arrived() -> None:
    arrivals: Queue[int | None] = Queue()
    items = prefetch_all(iter(arrivals.get, None), live=True)
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

    items = prefetch_all(failing())
    assert [next(items), next(items)] == [1, None]
    with pytest.raises(KeyError):
        next(items)


def test_look_ahead_is_bounded_and_ends_with_its_reader() -> None:
    read = []

    def counted() -> Iterator[int]:
        for number in range(10_000):
            read.append(number)
            yield number

    before = set(threading.enumerate())
    items = prefetch_all(counted(), room=5)
    next(items)
    (thread,) = set(threading.enumerate()) - before
    time.sleep(0.2)
    assert len(read) <= 8
    assert thread.is_alive()
    items.close()  # type: ignore[attr-defined]
    thread.join(timeout=60)
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
        next(prefetch_all(one_item()))
    assert not came
    done.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_ends_without_the_thread() -> None:
    """As it forks, the thread may hold the lock, and does not give it back there."""
    items = prefetch_items(range(9), weigh=lambda _: 1, room=2)
    assert next(items) == 0
    buffer = items.gi_frame.f_locals["buffer"]  # type: ignore[attr-defined]
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with buffer._lock:
            held.set()
            free.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of what is tested here
        child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)
        items.close()  # type: ignore[attr-defined]
        os._exit(0)
    _, status = os.waitpid(child, 0)
    free.set()
    holder.join(20)
    assert os.waitstatus_to_exitcode(status) == 0
    assert list(items) == list(range(1, 9))
