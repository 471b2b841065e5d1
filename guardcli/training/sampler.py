"""Samples training examples in an order that depends on the seed alone, so that a run can resume at any step.

Examples with one label come in the same step where possible: training labels an example by its prefix, which a step
evaluates once.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from itertools import chain
from random import Random
from typing import TypeVar

T = TypeVar("T")


def num_steps(num_examples: int, *, batch_size: int, epochs: float) -> int:
    """Number of optimizer steps in so many epochs, at least 1.

    >>> num_steps(11, batch_size=2, epochs=1.0)
    6
    """
    return max(1, math.ceil(num_examples * epochs / batch_size))


def sample_batches(labels: Sequence[Hashable], *, batch_size: int, epochs: float, seed: int) -> Iterator[Sequence[int]]:
    """Yield the indices of the examples of each optimizer step, given a label for each example.

    Each epoch has each example once, in an order of its own. A step may cross into the next epoch:

        epoch 0: [2 0] [1 ...
        epoch 1:       ... 1] [0 2]      3 examples with one label, batch_size 2, 2 epochs
    """
    indices: list[int] = []
    epoch = 0
    for _ in range(num_steps(len(labels), batch_size=batch_size, epochs=epochs)):
        while len(indices) < batch_size:
            random = Random(f"{seed}:{epoch}")
            indices += _epoch_order(labels, batch_size, num_missing=-len(indices) % batch_size, random=random)
            epoch += 1
        yield indices[:batch_size]
        indices = indices[batch_size:]


def _epoch_order(labels: Sequence[Hashable], batch_size: int, *, num_missing: int, random: Random) -> list[int]:
    """Order the examples of an epoch, of which the first `num_missing` complete the step before it.

    Each label's examples are cut into batches at random. Whole batches become steps; the rests are joined:

        a a a a a a a    b b b b b    c c        batch_size 3
        [a a a] [a a a]  [b b b]                 steps
        a                b b          c c        rests, in random order, cut into further steps: [b b c] [c a …
    """
    by_label: dict[Hashable, list[int]] = {}
    for index, label in enumerate(labels):
        by_label.setdefault(label, []).append(index)
    batches = [
        batch
        for indices in by_label.values()
        for batch in split_batches(random.sample(indices, len(indices)), batch_size)
    ]
    random.shuffle(batches)
    whole = [batch for batch in batches if len(batch) == batch_size]
    rests = list(chain.from_iterable(batch for batch in batches if len(batch) < batch_size))
    while whole and len(rests) < num_missing:
        rests += whole.pop()
    steps = [*whole, *split_batches(rests[num_missing:], batch_size)]
    unfinished = steps.pop() if steps and len(steps[-1]) < batch_size else ()
    random.shuffle(steps)
    return [*rests[:num_missing], *chain.from_iterable(steps), *unfinished]


def split_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield consecutive batches of `size` items; the last one may be smaller."""
    return (items[start : start + size] for start in range(0, len(items), size))
