"""Verdicts against labels at one threshold: the four counts and the shares made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """How many items were unsafe and called so (tp), safe and called unsafe (fp), unsafe and called safe (fn), and
    safe and called so (tn). A share of nothing is None."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    @classmethod
    def of(cls, labels: Iterable[bool], flagged: Iterable[bool]) -> Counts:
        """Count pairs of a label and a verdict, True being unsafe. Raises ValueError: their lengths differ."""
        counts = {(True, True): 0, (False, True): 0, (True, False): 0, (False, False): 0}
        for pair in zip(map(bool, labels), map(bool, flagged), strict=True):
            counts[pair] += 1
        return cls(counts[True, True], counts[False, True], counts[True, False], counts[False, False])

    @property
    def total(self) -> int:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> float | None:
        return _share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        return _share(self.tp, self.tp + self.fn)

    @property
    def fpr(self) -> float | None:
        """The share of the safe that is called unsafe."""
        return _share(self.fp, self.fp + self.tn)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn)."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
