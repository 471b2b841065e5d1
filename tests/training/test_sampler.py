"""The order of examples: complete, and a function of the seed."""

from __future__ import annotations

from itertools import chain

import pytest

from guardcli.training.sampler import num_steps, sample_batches, split_batches


@pytest.mark.parametrize(
    ("count", "size", "epochs", "expected"),
    [(10, 2, 1.0, 5), (11, 2, 1.0, 6), (10, 2, 0.5, 3), (1, 2, 1.0, 1), (1, 8, 0.1, 1), (10, 4, 2.0, 5)],
)
def test_num_steps(count: int, size: int, epochs: float, expected: int) -> None:
    assert num_steps(count, batch_size=size, epochs=epochs) == expected
    assert len(list(sample_batches(count, batch_size=size, epochs=epochs, seed=0))) == expected


def test_each_epoch_has_each_example_once_in_another_order() -> None:
    indices = list(chain.from_iterable(sample_batches(9, batch_size=2, epochs=4, seed=0)))
    epochs = [indices[start : start + 9] for start in range(0, 36, 9)]
    assert all(sorted(epoch) == list(range(9)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_batch_larger_than_the_data() -> None:
    (step,) = sample_batches(2, batch_size=5, epochs=1, seed=0)
    assert sorted(step[:2]) == sorted(step[2:4]) == [0, 1]


def test_order_depends_on_the_seed_only() -> None:
    first, again, other = (list(sample_batches(20, batch_size=2, epochs=2, seed=seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_split_batches() -> None:
    assert list(split_batches([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
    assert list(split_batches([], 2)) == []
