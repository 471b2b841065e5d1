"""Samples training examples in an order that depends on the seed alone, so that a run can resume at any step.

Examples with one label come in the same step where possible: training labels an example by its prefix, which a step
evaluates once. Of these, those of one pair come in the same step wherever numbers allow.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import chain
from random import Random
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Unit: TypeAlias = Sequence[int]  # the indices of one example, or of the examples of a pair that have one label


def num_steps(num_examples: int, *, batch_size: int, epochs: float) -> int:
    """The number of optimizer steps in `epochs`, at least 1.

    >>> num_steps(11, batch_size=2, epochs=1.0)
    6
    """
    return max(1, math.ceil(num_examples * epochs / batch_size))


def sample_batches(
    labels: Sequence[Hashable], *, pairs: Sequence[Hashable] | None = None, batch_size: int, epochs: float, seed: int
) -> Iterator[Sequence[int]]:
    """Yield the indices of the examples of each optimizer step, given a label for each example.

    Each epoch has each example once, in an order of its own. A step may cross into the next epoch:

        epoch 0: [2 0] [1 ...
        epoch 1:       ... 1] [0 2]      3 examples with one label, batch_size 2, 2 epochs

    `pairs` name the pair of each example; None means that no example has one.
    """
    units = _units_by_label(labels, range(len(labels)) if pairs is None else pairs)
    indices: list[int] = []
    epoch = 0
    for _ in range(num_steps(len(labels), batch_size=batch_size, epochs=epochs)):
        while len(indices) < batch_size:
            random = Random(f"{seed}:{epoch}")
            indices += _epoch_order(units, batch_size, num_missing=-len(indices) % batch_size, random=random)
            epoch += 1
        yield indices[:batch_size]
        indices = indices[batch_size:]


def _units_by_label(labels: Sequence[Hashable], pairs: Sequence[Hashable]) -> list[list[Unit]]:
    """The units of each label. Examples of a pair with different labels are different units."""
    by_label: dict[Hashable, dict[Hashable, list[int]]] = {}
    for index, (label, pair) in enumerate(zip(labels, pairs, strict=True)):
        by_label.setdefault(label, {}).setdefault(pair, []).append(index)
    return [list(by_pair.values()) for by_pair in by_label.values()]


def _epoch_order(
    units_by_label: Sequence[Sequence[Unit]], batch_size: int, *, num_missing: int, random: Random
) -> list[int]:
    """Order the examples of an epoch, of which the first `num_missing` complete the step before it.

    Each label's units are packed into batches at random. Whole batches become steps; the rests are joined:

        a a a a a a a    b b b b b    c c        batch_size 3, each unit an example
        [a a a] [a a a]  [b b b]                 steps
        a                b b          c c        rests, in random order, packed into further steps: [b b c] [c a …
    """
    batches = [batch for units in units_by_label for batch in pack_units(random.sample(units, len(units)), batch_size)]
    random.shuffle(batches)
    whole = [batch for batch in batches if _size(batch) == batch_size]
    rests = list(chain.from_iterable(batch for batch in batches if _size(batch) < batch_size))
    while whole and _size(rests) < num_missing:
        rests += whole.pop()
    completing, rests = _take(rests, num_missing)
    packed = pack_units(rests, batch_size)
    steps = [_flatten(batch) for batch in (*whole, *packed) if _size(batch) == batch_size]
    # Pairs are split only here, where what is left of all labels is cut, and where an epoch ends inside a step.
    left = _flatten(chain.from_iterable(batch for batch in packed if _size(batch) < batch_size))
    steps += [left[start : start + batch_size] for start in range(0, len(left) - batch_size + 1, batch_size)]
    unfinished = left[len(left) - len(left) % batch_size :]
    random.shuffle(steps)
    return [*_flatten(completing), *chain.from_iterable(steps), *unfinished]


def pack_units(units: Iterable[Unit], size: int) -> list[list[Unit]]:
    """Put units in order into batches of `size` examples, each into the batch where it leaves the least room.

    A unit that is larger than a batch is cut. Units of one example each give consecutive batches.

    >>> pack_units([[0], [1, 2], [3, 4], [5]], 3)
    [[[0], [1, 2]], [[3, 4], [5]]]
    >>> pack_units([[0, 1], [2, 3], [4], [5]], 3)
    [[[0, 1], [4]], [[2, 3], [5]]]
    """
    batches: list[list[Unit]] = []
    with_room: defaultdict[int, deque[list[Unit]]] = defaultdict(deque)
    for unit in chain.from_iterable(split_batches(unit, size) for unit in units):
        room = next((room for room in range(len(unit), size) if with_room.get(room)), size)
        if room == size:
            batch: list[Unit] = []
            batches.append(batch)
        else:
            batch = with_room[room].popleft()
        batch.append(unit)
        with_room[room - len(unit)].append(batch)
    return batches


def _take(units: Sequence[Unit], number: int) -> tuple[list[Unit], list[Unit]]:
    """Take units of so many examples, in order, and cut one if none fits. Returns those taken and the others."""
    taken: list[Unit] = []
    left: list[Unit] = []
    missing = number
    for unit in units:
        if len(unit) <= missing:
            taken.append(unit)
            missing -= len(unit)
        else:
            left.append(unit)
    if missing and left:
        first, *others = left
        return [*taken, first[:missing]], [first[missing:], *others]
    return taken, left


def _size(units: Sequence[Unit]) -> int:
    """Number of examples."""
    return sum(map(len, units))


def _flatten(units: Iterable[Unit]) -> list[int]:
    return list(chain.from_iterable(units))


def split_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield consecutive batches of `size` items; the last one may be smaller."""
    return (items[start : start + size] for start in range(0, len(items), size))
