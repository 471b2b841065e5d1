"""The pool of the cache's cells: what is allocated, shared and freed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.engine.kv_cells import CellIds, KvCells


def test_cells_are_free_again_when_no_sequence_uses_them() -> None:
    cells = KvCells(8)
    one = cells.allocate(5)
    cells.incref(one[:3])
    cells.free(one)
    assert cells.num_free == 5, "three of eight are shared"
    cells.free(one[:3])
    assert cells.num_free == 8


def test_no_more_is_allocated_than_is_free() -> None:
    cells = KvCells(4)
    cells.allocate(3)
    with pytest.raises(ValueError, match="2 KV cells requested, but only 1 are free"):
        cells.allocate(2)
    assert cells.num_free == 1


@given(st.lists(st.tuples(st.sampled_from(["allocate", "share", "free"]), st.integers(0, 7)), max_size=60))
def test_no_cell_has_two_owners_that_do_not_share(steps: list[tuple[str, int]]) -> None:
    """Against a count of the users of each cell."""
    cells, users, held = KvCells(16), [0] * 16, list[CellIds]()
    for what, number in steps:
        if what == "allocate" and number <= cells.num_free:
            taken = cells.allocate(number)
            assert all(users[cell] == 0 for cell in taken)
            assert len(set(taken.tolist())) == number
            held.append(taken)
            change = 1
        elif what == "share" and held:
            taken = np.asarray(held[number % len(held)][:number])
            cells.incref(taken)
            held.append(taken)
            change = 1
        elif what == "free" and held:
            taken = held.pop(number % len(held))
            cells.free(taken)
            change = -1
        else:
            continue
        for cell in taken:
            users[cell] += change
        assert cells.num_free == users.count(0)
