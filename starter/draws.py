"""What a model can be shown, and which of it is drawn: by weight, or of the hazards that a pair of lists is about.

It knows weights and hazards, and neither lists nor ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardcli.prompts.turns import Speaker
from starter.data import HAZARDS, Floats

_EVEN = 0.7  # 0 would draw each hazard by its weight, 1 all of them alike


@dataclass(frozen=True, slots=True)
class Example:
    """A row ready to be shown: ids of what was said in some variants, P(unsafe), P(hazard | unsafe)."""

    said: tuple[list[int], ...]
    speaker: Speaker
    unsafe: float
    hazards: Floats
    weight: float


class Draws:
    """The examples of one speaker. Raises ValueError if there are none."""

    def __init__(self, examples: Sequence[Example]) -> None:
        if not examples:
            raise ValueError("no examples to draw from")
        self._examples = examples
        weights = np.array([example.weight for example in examples])
        which = np.array([int(example.hazards.argmax()) for example in examples])
        clear = np.array([example.unsafe > 0.5 and example.hazards.max() > 0.7 for example in examples])
        self._all = _Weighted(np.arange(len(examples)), weights)
        places = [np.flatnonzero(clear & (which == hazard)) for hazard in range(HAZARDS)]
        self._of = [_Weighted(at, weights[at]) for at in places]
        totals = np.array([of.total for of in self._of])
        self._chances = totals ** (1 - _EVEN)

    @property
    def weight(self) -> float:
        return self._all.total

    def pair(self, random: np.random.Generator) -> tuple[int, int]:
        """Two hazards from 1 on, rare ones more often than their weight; any two where examples show fewer."""
        chances = self._chances + 1e-9
        first, second = random.choice(HAZARDS, size=2, replace=False, p=chances / chances.sum()) + 1
        return int(first), int(second)

    def any(self, random: np.random.Generator) -> Example:
        return self._examples[self._all.draw(random)]

    def of(self, hazards: Sequence[int], random: np.random.Generator) -> Example:
        """One that plainly is of one of the hazards, any if there is none."""
        found = self._of[hazards[int(random.integers(len(hazards)))] - 1]
        return self._examples[found.draw(random)] if found.total > 0 else self.any(random)


class _Weighted:
    """Numbers, each drawn by its weight."""

    def __init__(self, numbers: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        self._numbers, self._sums = numbers, np.cumsum(weights)

    @property
    def total(self) -> float:
        return float(self._sums[-1]) if len(self._sums) else 0.0

    def draw(self, random: np.random.Generator) -> int:
        return int(self._numbers[np.searchsorted(self._sums, random.random() * self._sums[-1], side="right")])
