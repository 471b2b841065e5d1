"""Reliability: whether a score of 0.8 means unsafe in four of five cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guardcli.evaluation.metrics.arrays import Labels, Scores, UndefinedMetric, to_arrays

NUM_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """The samples whose scores are in [low, high): their mean score, and the fraction that is unsafe."""

    low: float
    high: float
    count: int
    mean_score: float
    fraction_unsafe: float


@dataclass(frozen=True, slots=True)
class ReliabilityDiagram:
    """The `bins`, without empty ones, and what they add up to.

    `error` is the expected calibration error: the mean distance of mean score and fraction unsafe, weighted by count
    (Naeini et al., 2015). `brier` is the mean squared distance of score and label.
    """

    error: float
    brier: float
    bins: tuple[ReliabilityBin, ...]


def reliability_diagram(labels: Labels, scores: Scores, *, num_bins: int = NUM_BINS) -> ReliabilityDiagram:
    """Compute the diagram over bins of equal width.

    Raises:
        UndefinedMetric: there are no samples, or a score is outside [0, 1].
    """
    label_array, score_array = to_arrays(labels, scores)
    if score_array.min() < 0 or score_array.max() > 1:
        raise UndefinedMetric("the scores are no probabilities")
    bin_index = np.minimum((score_array * num_bins).astype(np.intp), num_bins - 1)
    counts = np.bincount(bin_index, minlength=num_bins)
    mean_scores = np.bincount(bin_index, weights=score_array, minlength=num_bins) / np.maximum(counts, 1)
    fractions = np.bincount(bin_index, weights=label_array, minlength=num_bins) / np.maximum(counts, 1)
    error = float((counts * np.abs(mean_scores - fractions)).sum() / len(score_array))
    bins = tuple(
        ReliabilityBin(
            low=float(index / num_bins),
            high=float((index + 1) / num_bins),
            count=int(counts[index]),
            mean_score=float(mean_scores[index]),
            fraction_unsafe=float(fractions[index]),
        )
        for index in np.flatnonzero(counts)
    )
    return ReliabilityDiagram(error, float(np.mean((score_array - label_array) ** 2)), bins)
