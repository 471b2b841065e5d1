"""Labels and scores → metrics: pure functions on arrays.

Labels are booleans, True is unsafe; scores are any finite numbers, higher is more unsafe. Where a metric is not defined
(no samples, or one class only) a function raises `UndefinedMetric` with the reason, or returns None. It is never NaN.
"""

from __future__ import annotations

from guardcli.evaluation.metrics.arrays import Floats, UndefinedMetric, count_smallest_class
from guardcli.evaluation.metrics.bootstrap import (
    Bootstrap,
    Interval,
    Statistic,
    paired_difference,
    percentile_interval,
)
from guardcli.evaluation.metrics.confusion import ConfusionMatrix
from guardcli.evaluation.metrics.proportions import wilson_interval
from guardcli.evaluation.metrics.ranking import (
    PrecisionRecallCurve,
    auroc,
    average_precision,
    precision_recall_curve,
)
from guardcli.evaluation.metrics.reliability import ReliabilityBin, ReliabilityDiagram, reliability_diagram
from guardcli.evaluation.metrics.statistics import (
    THRESHOLD_METRICS,
    RankingMetric,
    ThresholdMetric,
    ranking_statistic,
    threshold_statistic,
)
from guardcli.evaluation.metrics.thresholds import (
    OBJECTIVE_METRICS,
    ObjectiveMetric,
    ThresholdChoice,
    ThresholdObjective,
    choose_threshold,
)

__all__ = [
    "OBJECTIVE_METRICS",
    "THRESHOLD_METRICS",
    "Bootstrap",
    "ConfusionMatrix",
    "Floats",
    "Interval",
    "ObjectiveMetric",
    "PrecisionRecallCurve",
    "RankingMetric",
    "ReliabilityBin",
    "ReliabilityDiagram",
    "Statistic",
    "ThresholdChoice",
    "ThresholdMetric",
    "ThresholdObjective",
    "UndefinedMetric",
    "auroc",
    "average_precision",
    "choose_threshold",
    "count_smallest_class",
    "paired_difference",
    "percentile_interval",
    "precision_recall_curve",
    "ranking_statistic",
    "reliability_diagram",
    "threshold_statistic",
    "wilson_interval",
]
