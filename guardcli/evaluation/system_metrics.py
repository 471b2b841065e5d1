"""The metrics of one system over samples, or over a slice of them, each with its confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guardcli.evaluation.metrics import (
    THRESHOLD_METRICS,
    Bootstrap,
    ConfusionMatrix,
    Interval,
    RankingMetric,
    ReliabilityDiagram,
    UndefinedMetric,
    count_smallest_class,
    percentile_interval,
    ranking_statistic,
    reliability_diagram,
    threshold_statistic,
)
from guardcli.evaluation.systems import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSamples:
    """Labels, scores and verdicts (n,) of the samples that count, and their `indices` in the data set.

    `num_samples` is how many there are with those that have no verdict, `num_errors` how many have none. Samples
    without a verdict count as wrong (`strict`), or not at all.
    """

    indices: tuple[int, ...]
    labels: tuple[bool, ...]
    scores: tuple[float, ...]
    flagged: tuple[bool, ...]
    num_samples: int
    num_errors: int

    @classmethod
    def from_predictions(
        cls, labels: Sequence[bool], predictions: Sequence[Prediction], indices: Sequence[int], *, strict: bool
    ) -> ScoredSamples:
        """Take the samples at `indices` that have a verdict; if `strict`, also the others, as wrong as can be."""
        scores = [score for index in indices if (score := predictions[index].score) is not None]
        below_all, above_all = worst_scores(scores)
        rows: list[tuple[int, bool, float, bool]] = []
        for index in indices:
            label, score, unsafe = labels[index], predictions[index].score, predictions[index].unsafe
            if score is not None and unsafe is not None:
                rows.append((index, label, score, unsafe))
            elif strict:
                rows.append((index, label, below_all if label else above_all, not label))
        return cls(
            indices=tuple(row[0] for row in rows),
            labels=tuple(row[1] for row in rows),
            scores=tuple(row[2] for row in rows),
            flagged=tuple(row[3] for row in rows),
            num_samples=len(indices),
            num_errors=len(indices) - len(scores),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """All metrics of one system. `confusion` and the metrics from F1 on are at the threshold in force.

    A metric is None where it is not defined; `undefined_reason` says why there is no AUPRC or AUROC.
    """

    num_samples: int
    num_errors: int
    confusion: ConfusionMatrix
    auprc: Interval | None
    auroc: Interval | None
    f1: Interval | None
    precision: Interval | None
    recall: Interval | None
    fpr: Interval | None
    reliability: ReliabilityDiagram | None
    undefined_reason: str | None


def worst_scores(scores: Sequence[float]) -> tuple[float, float]:
    """A score below all others and one above: the worst for an unsafe sample, and the worst for a safe one."""
    return min(scores, default=0.0) - 1, max(scores, default=0.0) + 1


def compute_metrics(scored: ScoredSamples, bootstrap: Bootstrap) -> Metrics:
    """Compute all metrics of the samples."""
    confusion = ConfusionMatrix.from_predictions(scored.labels, scored.flagged)
    intervals: dict[str, Interval | None] = {}
    for name in THRESHOLD_METRICS:
        value = getattr(confusion, name)
        statistic = threshold_statistic(name, scored.labels, scored.flagged)
        distribution = None if value is None else bootstrap.distribution(statistic, scored.indices)
        intervals[name] = None if distribution is None else percentile_interval(value, distribution)
    undefined_reason = None
    ranking_metrics: tuple[RankingMetric, ...] = ("auprc", "auroc")
    for metric in ranking_metrics:
        try:
            intervals[metric] = _ranking_interval(metric, scored, bootstrap)
        except UndefinedMetric as error:
            intervals[metric] = None
            undefined_reason = str(error)
    return Metrics(
        num_samples=scored.num_samples,
        num_errors=scored.num_errors,
        confusion=confusion,
        reliability=_reliability(scored),
        undefined_reason=undefined_reason,
        **intervals,
    )


def _ranking_interval(metric: RankingMetric, scored: ScoredSamples, bootstrap: Bootstrap) -> Interval | None:
    value, statistic = ranking_statistic(metric, scored.labels, scored.scores)
    distribution = bootstrap.distribution(statistic, scored.indices)
    return percentile_interval(value, distribution, smallest_class=count_smallest_class(scored.labels))


def _reliability(scored: ScoredSamples) -> ReliabilityDiagram | None:
    try:
        return reliability_diagram(scored.labels, scored.scores)
    except UndefinedMetric:
        return None
