"""Labels and scores → numbers: pure functions on arrays, which know nothing of conversations, models or reports.

Labels are booleans, True is unsafe; scores are any finite numbers, higher is more unsafe. Where a figure has no meaning
(one class only, nothing at all) it is a `NoFigure` with the reason, or None, and never NaN.
"""

from __future__ import annotations

from guardcli.metrics.arrays import Floats, NoFigure
from guardcli.metrics.calibration import Bin, Calibration, calibration
from guardcli.metrics.choosing import AIMS, Aim, Choice, Wish, choose
from guardcli.metrics.counts import Counts
from guardcli.metrics.ranking import Curve, auroc, average_precision, precision_recall
from guardcli.metrics.resampling import Interval, Resamples, Statistic, difference, interval
from guardcli.metrics.statistics import SHARES, Measure, Share, at_threshold, over_thresholds

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
