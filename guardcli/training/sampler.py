"""Samples training examples in an order that depends on the seed alone, so that a run can resume at any step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def num_steps(num_examples: int, *, batch_size: int, epochs: float) -> int:
    """Number of optimizer steps in so many epochs, at least 1.

    >>> num_steps(11, batch_size=2, epochs=1.0)
    6
    """
    return max(1, math.ceil(num_examples * epochs / batch_size))


def sample_batches(num_examples: int, *, batch_size: int, epochs: float, seed: int) -> Iterator[Sequence[int]]:
    """Yield the indices of the examples of each optimizer step.

    Each epoch shuffles all examples anew. A step may cross into the next epoch:

        epoch 0: [2 0] [1 ...
        epoch 1:       ... 1] [0 2]      3 examples, batch_size 2, 2 epochs
    """
    indices: list[int] = []
    epoch = 0
    for _ in range(num_steps(num_examples, batch_size=batch_size, epochs=epochs)):
        while len(indices) < batch_size:
            shuffled = list(range(num_examples))
            Random(f"{seed}:{epoch}").shuffle(shuffled)
            indices += shuffled
            epoch += 1
        yield indices[:batch_size]
        indices = indices[batch_size:]


def split_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield consecutive batches of `size` items; the last one may be smaller."""
    return (items[start : start + size] for start in range(0, len(items), size))
