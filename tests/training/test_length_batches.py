"""Batches of examples by length: all examples, in order, at the least cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.training.length_batches import BATCH_OVERHEAD, split_by_length


def cost(lengths: Sequence[int], batches: Sequence[range]) -> int:
    return sum(len(batch) * lengths[batch[-1]] + BATCH_OVERHEAD for batch in batches)


def all_cuts(start: int, end: int, batch_size: int) -> Iterator[list[range]]:
    if start == end:
        yield []
    for stop in range(start + 1, min(end, start + batch_size) + 1):
        for rest in all_cuts(stop, end, batch_size):
            yield [range(start, stop), *rest]


@given(st.lists(st.integers(1, 300), max_size=9).map(sorted), st.integers(1, 9))
def test_no_other_cut_is_cheaper(lengths: list[int], batch_size: int) -> None:
    batches = split_by_length(lengths, batch_size)
    assert [at for batch in batches for at in batch] == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    assert cost(lengths, batches) == min(cost(lengths, cut) for cut in all_cuts(0, len(lengths), batch_size))


@pytest.mark.parametrize(
    ("lengths", "batches"),
    [
        ([], []),
        ([5, 5, 5, 5], [range(4)]),
        ([9, 9, 10, 80, 90], [range(3), range(3, 5)]),
        ([9, 10, 11, 30], [range(4)]),  # 57 tokens of padding cost less than another batch
    ],
)
def test_split_by_length(lengths: list[int], batches: list[range]) -> None:
    assert split_by_length(lengths, 8) == batches
