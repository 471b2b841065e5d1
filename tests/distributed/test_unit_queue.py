"""Units are handed out once, and joined in their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guardcli.distributed.unit_queue import UnitQueue


@given(st.integers(0, 3), st.integers(0, 12), st.randoms(use_true_random=False))
def test_every_unit_is_joined_once_and_in_order(first: int, number: int, random) -> None:  # type: ignore[no-untyped-def]
    queue = UnitQueue(first, first + number)
    running: list[int] = []
    joined: list[int] = []
    while not queue.is_done:
        unit = queue.take() if random.random() < 0.6 else None
        if unit is not None:
            running.append(unit)
        elif running:
            unit = running.pop(random.randrange(len(running)))
            queue.give_back(unit) if random.random() < 0.3 else queue.finish(unit)
        while (ready := queue.joinable) is not None:
            joined.append(ready)
            queue.join()
    assert joined == list(range(first, first + number))
    assert (running, queue.take(), queue.num_complete) == ([], None, first + number)


def test_what_is_given_back_comes_first() -> None:
    queue = UnitQueue(2, 9)
    assert [queue.take() for _ in range(3)] == [2, 3, 4]
    queue.give_back(4)
    queue.give_back(2)
    assert [queue.take() for _ in range(3)] == [2, 4, 5]
