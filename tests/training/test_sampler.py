"""The order of examples: complete, and a function of the seed."""

from __future__ import annotations

from itertools import chain

import pytest

from guardcli.training.sampler import num_steps, pack_units, sample_batches, split_batches


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


@pytest.mark.parametrize("size", [2, 4, 16])
@pytest.mark.parametrize("epochs", [1, 3])
def test_pairs_come_in_the_same_step(size: int, epochs: int) -> None:
    """Also where labels are mixed, and where a step crosses into the next epoch."""
    labels = "aaaaaabbbbccaab"
    pairs = [0, 1, 0, 1, "x", "y", 2, 2, 3, 3, 4, 4, 5, 5, "z"]
    sampled = list(sample_batches(labels, pairs=pairs, batch_size=size, epochs=epochs, seed=0))
    examples = list(chain.from_iterable(sampled))
    for epoch in range(epochs):
        step_of = {index: (epoch * 15 + at) // size for at, index in enumerate(examples[epoch * 15 : epoch * 15 + 15])}
        assert len(step_of) == 15
        split = sum(
            step_of[one] != step_of[other] for one, other in ((0, 2), (1, 3), (6, 7), (8, 9), (10, 11), (12, 13))
        )
        assert split <= (0 if epochs == 1 else 2)  # one at either end of an epoch


def test_without_pairs_the_order_is_that_of_single_examples() -> None:
    labels = "aaaabbbcc"
    alone, paired = (
        list(sample_batches(labels, pairs=pairs, batch_size=2, epochs=2, seed=1)) for pairs in (None, range(9))
    )
    assert alone == paired


@pytest.mark.parametrize(
    ("units", "size", "expected"),
    [
        ([[0], [1], [2]], 2, [[[0], [1]], [[2]]]),
        ([[0], [1, 2], [3, 4], [5]], 3, [[[0], [1, 2]], [[3, 4], [5]]]),
        ([[0, 1], [2, 3], [4], [5]], 3, [[[0, 1], [4]], [[2, 3], [5]]]),
        ([[0], [1, 2], [3]], 2, [[[0], [3]], [[1, 2]]]),
        ([[0, 1, 2, 3, 4]], 2, [[[0, 1]], [[2, 3]], [[4]]]),
        ([], 2, []),
    ],
)
def test_pack_units(units: list[list[int]], size: int, expected: list[list[list[int]]]) -> None:
    assert pack_units(units, size) == expected
