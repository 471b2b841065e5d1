"""Labeled data sets and what systems say of them → metrics, thresholds and comparisons.

`policy_tests` is imported by its own name: it opens models, and so loads llama.cpp.
"""

from __future__ import annotations

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
from guardcli.evaluation.steerability import (
    InapplicableProbe,
    ProbedRecord,
    ProbePlan,
    ProbeResult,
    Steerability,
    plan_probes,
    probed_samples,
    run_probes,
)
from guardcli.evaluation.system_metrics import Metrics, ScoredSamples
from guardcli.evaluation.systems import (
    Prediction,
    System,
    count_unscored,
    prediction_from_rows,
    system_from_field,
    system_from_rows,
)

__all__ = [
    "CategoryAverages",
    "CategoryMetrics",
    "Comparison",
    "EvalConfig",
    "Evaluation",
    "GateResult",
    "InapplicableProbe",
    "Metrics",
    "NativeCategories",
    "ObjectivePicks",
    "Prediction",
    "ProbePlan",
    "ProbeResult",
    "ProbedRecord",
    "RowPair",
    "ScoredSamples",
    "Slice",
    "Steerability",
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
    "plan_probes",
    "prediction_from_rows",
    "probed_samples",
    "run_probes",
    "score_delta",
    "system_from_field",
    "system_from_rows",
]
