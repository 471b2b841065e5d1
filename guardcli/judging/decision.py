"""The decision: scores and thresholds → safe or unsafe. Live and stored scores are decided by the same rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from guardcli.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """A score that reaches its threshold, both in [0, 1], is unsafe.

    `thresholds` are those of categories, by id, for scores by category; `threshold` is for all other categories, and
    for a single score. `labels` are the names of the category ids in the output, in the taxonomy's order. A score may
    differ by `tolerance`, in log-odds, with the rest of its batch.
    """

    threshold: float
    labels: Mapping[str, str]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 0.0

    @classmethod
    def from_taxonomy(cls, taxonomy: Taxonomy, threshold: float | None = None) -> DecisionRule:
        """The rule of a taxonomy. A `threshold` replaces the taxonomy's own, but not those of its categories."""
        given = (threshold, taxonomy.threshold, 0.5)
        return cls(
            threshold=next(threshold for threshold in given if threshold is not None),
            labels={category.id: category.label for category in taxonomy.categories},
            thresholds={c.id: c.threshold for c in taxonomy.categories if c.threshold is not None},
        )

    def threshold_of(self, id_: str) -> float:
        """The threshold of a category."""
        return self.thresholds.get(id_, self.threshold)

    @property
    def ids(self) -> dict[str, str]:
        """The category id of each label."""
        return {label: id_ for id_, label in self.labels.items()}

    def is_unsafe(self, score: float) -> bool:
        """Whether a single score is unsafe."""
        return score >= self.threshold

    def violated(self, scores: Mapping[str, float]) -> tuple[str, ...]:
        """The categories whose scores reach their thresholds, the highest score first."""
        violated = [id_ for id_, score in scores.items() if score >= self.threshold_of(id_)]
        return tuple(sorted(violated, key=lambda id_: -scores[id_]))

    def is_near_threshold(self, score: float) -> bool:
        """Whether the verdict of a single score could differ in another batch."""
        return self._within(_margin(score, self.threshold))

    def is_any_near_threshold(self, scores: Mapping[str, float]) -> bool:
        """Whether the verdict of scores by category could differ in another batch. The largest margin decides."""
        return self._within(max(_margin(score, self.threshold_of(id_)) for id_, score in scores.items()))

    def _within(self, margin: float) -> bool:
        return self.tolerance > 0 and abs(margin) <= self.tolerance


def _margin(score: float, threshold: float) -> float:
    """How far a score is above its threshold, in log-odds; -inf if both are 0 or both are 1."""
    margin = _log_odds(score) - _log_odds(threshold)
    return -math.inf if math.isnan(margin) else margin


def _log_odds(probability: float) -> float:
    if 0 < probability < 1:
        return math.log(probability) - math.log1p(-probability)
    return math.inf if probability >= 1 else -math.inf


def highest_scores(all_scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The highest score of each category over several turns."""
    highest: dict[str, float] = {}
    for scores in all_scores:
        for category, score in scores.items():
            highest[category] = max(score, highest.get(category, 0.0))
    return highest
