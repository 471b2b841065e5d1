"""Labeled data sets and what systems say of them → metrics, thresholds and comparisons.

`policy_tests` is imported by its own name: it opens models, and so loads llama.cpp.
"""

from __future__ import annotations

from guardcli.evaluation.ablation import AblationResult, policy_ablation
from guardcli.evaluation.calibration import fit_calibration
from guardcli.evaluation.categories import CategoryAverages, CategoryMetrics, NativeCategories
from guardcli.evaluation.comparison import Comparison, RowPair, align_rows, compare_guards, compare_runs, score_delta
from guardcli.evaluation.evaluation import (
    EvalConfig,
    Evaluation,
    ObjectivePicks,
    SystemComparison,
    SystemResult,
    ThresholdPick,
    evaluate,
)
from guardcli.evaluation.gates import GateResult
from guardcli.evaluation.slices import Slice, group_by_field
from guardcli.evaluation.system_metrics import Metrics, ScoredSamples
from guardcli.evaluation.systems import Prediction, System, count_unscored, system_from_field, system_from_rows

__all__ = [
    "AblationResult",
    "CategoryAverages",
    "CategoryMetrics",
    "Comparison",
    "EvalConfig",
    "Evaluation",
    "GateResult",
    "Metrics",
    "NativeCategories",
    "ObjectivePicks",
    "Prediction",
    "RowPair",
    "ScoredSamples",
    "Slice",
    "System",
    "SystemComparison",
    "SystemResult",
    "ThresholdPick",
    "align_rows",
    "compare_guards",
    "compare_runs",
    "count_unscored",
    "evaluate",
    "fit_calibration",
    "group_by_field",
    "policy_ablation",
    "score_delta",
    "system_from_field",
    "system_from_rows",
]
