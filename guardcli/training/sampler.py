"""In which order examples are trained on: a function of the seed, so that a run can be taken up at any step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def steps(count: int, *, size: int, epochs: float) -> int:
    """How many steps of `size` examples `epochs` over so many of them are; at least one."""
    return max(1, math.ceil(count * epochs / size))


def order(count: int, *, size: int, epochs: float, seed: int) -> Iterator[Sequence[int]]:
    """The numbers of the examples of each step. Each epoch shuffles anew; a step may reach over into the next."""
    numbers: list[int] = []
    epoch = 0
    for _ in range(steps(count, size=size, epochs=epochs)):
        while len(numbers) < size:
            shuffled = list(range(count))
            Random(f"{seed}:{epoch}").shuffle(shuffled)
            numbers += shuffled
            epoch += 1
        yield numbers[:size]
        numbers = numbers[size:]


def parted(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Parts of `size`, the last one perhaps smaller."""
    return (items[start : start + size] for start in range(0, len(items), size))
