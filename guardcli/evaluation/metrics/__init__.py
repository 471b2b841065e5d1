"""Labels and scores → numbers: pure functions on arrays, which know nothing of conversations, models or reports.

Labels are booleans, True is unsafe; scores are any finite numbers, higher is more unsafe. Where a figure has no meaning
(one class only, nothing at all) it is a `NoFigure` with the reason, or None, and never NaN.
"""

from __future__ import annotations

from guardcli.evaluation.metrics.arrays import Floats, NoFigure
from guardcli.evaluation.metrics.bootstrap import Interval, Resamples, Statistic, difference, interval
from guardcli.evaluation.metrics.calibration import Bin, Calibration, calibration
from guardcli.evaluation.metrics.confusion import Counts
from guardcli.evaluation.metrics.ranking import Curve, auroc, average_precision, precision_recall
from guardcli.evaluation.metrics.statistics import SHARES, Measure, Share, at_threshold, over_thresholds
from guardcli.evaluation.metrics.thresholds import AIMS, Aim, Choice, Wish, choose

__all__ = [
    "AIMS",
    "SHARES",
    "Aim",
    "Bin",
    "Calibration",
    "Choice",
    "Counts",
    "Curve",
    "Floats",
    "Interval",
    "Measure",
    "NoFigure",
    "Resamples",
    "Share",
    "Statistic",
    "Wish",
    "at_threshold",
    "auroc",
    "average_precision",
    "calibration",
    "choose",
    "difference",
    "interval",
    "over_thresholds",
    "precision_recall",
]
