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
    assert len(list(sample_batches([0] * count, batch_size=size, epochs=epochs, seed=0))) == expected


@pytest.mark.parametrize("labels", ["aaaaaaaaa", "abcdefghi", "aaaabbbcc"])
@pytest.mark.parametrize("size", [2, 4, 12])
def test_each_epoch_has_each_example_once_in_another_order(labels: str, size: int) -> None:
    indices = list(chain.from_iterable(sample_batches(labels, batch_size=size, epochs=4, seed=0)))
    epochs = [indices[start : start + 9] for start in range(0, 36, 9)]
    assert all(sorted(epoch) == list(range(9)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_batch_larger_than_the_data() -> None:
    (step,) = sample_batches([0, 0], batch_size=5, epochs=1, seed=0)
    assert sorted(step[:2]) == sorted(step[2:4]) == [0, 1]


def test_order_depends_on_the_seed_only() -> None:
    first, again, other = (list(sample_batches([0] * 20, batch_size=2, epochs=2, seed=seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_examples_with_one_label_come_in_the_same_step() -> None:
    labels = [*"ab" * 8, *"cde"]
    steps = ["".join(labels[at] for at in step) for step in sample_batches(labels, batch_size=4, epochs=1, seed=0)]
    assert sorted(steps[:4]) == ["aaaa", "aaaa", "bbbb", "bbbb"]
    assert steps[:4] != sorted(steps[:4])
    assert sorted(steps[4][:3]) == ["c", "d", "e"]


def test_rests_of_a_label_stay_together() -> None:
    labels = "aaabbbcccddd"
    for seed in range(20):
        steps = sample_batches(labels, batch_size=6, epochs=1, seed=seed)
        assert [len({labels[at] for at in step}) for step in steps] == [2, 2]


@pytest.mark.parametrize("seed", range(5))
def test_an_epoch_that_begins_inside_a_step_completes_it_with_rests(seed: int) -> None:
    labels = "aaaaaaaab"
    sampled = sample_batches(labels, batch_size=4, epochs=2, seed=seed)
    steps = ["".join(sorted(labels[at] for at in step)) for step in sampled]
    assert steps == ["aaaa", "aaaa", "aabb", "aaaa", "aaab"]


def test_split_batches() -> None:
    assert list(split_batches([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
    assert list(split_batches([], 2)) == []
