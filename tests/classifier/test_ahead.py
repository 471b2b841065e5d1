from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from queue import Queue

import pytest

from guardcli.classifier.ahead import run_ahead


def test_order_is_kept() -> None:
    assert list(run_ahead(range(1000), size=3)) == list(range(1000))


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
    assert next(items) == 1
    with pytest.raises(KeyError):
        next(items)


def test_look_ahead_is_bounded_and_ends_with_its_reader() -> None:
    read = []

    def counted() -> Iterator[int]:
        for number in range(10_000):
            read.append(number)
            yield number

    items = run_ahead(counted(), size=5)
    next(items)
    time.sleep(0.2)
    assert len(read) <= 8
    items.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "guard-ahead":
            thread.join(timeout=5)
            assert not thread.is_alive()
