"""Verdicts against labels at one threshold: the confusion matrix, and precision, recall, FPR and F1."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionMatrix:
    """Counts of samples; "positive" is unsafe.

                 called unsafe   called safe
        unsafe        tp             fn
        safe          fp             tn

    A ratio whose denominator is 0 is None.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    @classmethod
    def from_predictions(cls, labels: Iterable[bool], flagged: Iterable[bool]) -> ConfusionMatrix:
        """Count pairs of a label and a verdict, True being unsafe. Raises ValueError: their lengths differ."""
        counts = {(True, True): 0, (False, True): 0, (True, False): 0, (False, False): 0}
        for pair in zip(map(bool, labels), map(bool, flagged), strict=True):
            counts[pair] += 1
        return cls(tp=counts[True, True], fp=counts[False, True], fn=counts[True, False], tn=counts[False, False])

    @property
    def total(self) -> int:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> float | None:
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def fpr(self) -> float | None:
        """The false positive rate: fp / (fp + tn)."""
        return _ratio(self.fp, self.fp + self.tn)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
