"""Guesses the hazard of an unsafe text without one, by the words of those that have one (naive Bayes)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from math import log

from guardcli.training.augmentation.contamination import words
from recipes.smol.records import Record


class HazardGuess:
    """Word counts by hazard."""

    def __init__(self, known: Iterable[Record]) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        for record in known:
            for hazard in record.hazards:
                self._counts[hazard].update(set(words(record.text)))
        self._num_words = len(set().union(*self._counts.values()))

    def guess(self, record: Record) -> Record:
        """The record with its likeliest hazard, which is not certain to be its only one."""
        text = set(words(record.text))

        def log_likelihood(hazard: str) -> float:
            counts = self._counts[hazard]
            total = counts.total() + self._num_words
            return sum(log((counts[word] + 1) / total) for word in text)

        return replace(record, hazards=(max(self._counts, key=log_likelihood),), certain=False)
