"""An evaluation as JSON, with all figures unrounded."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from guardcli.evaluation import (
    CategoryAverages,
    Metrics,
    ObjectivePicks,
    Slice,
    Steerability,
    SystemComparison,
    SystemResult,
    ThresholdPick,
)
from guardcli.evaluation.metrics import Interval
from guardcli.report.evaluation_report.tables import EvaluationReport


def as_json(report: EvaluationReport) -> str:
    """One object; a metric that is not defined is null."""
    evaluation = report.evaluation
    dataset = evaluation.dataset
    value = {
        "data": {
            "source": report.source,
            "records": len(dataset.samples),
            "unsafe": dataset.num_unsafe,
            "unreadable": len(dataset.unreadable),
            "left_out": dict(dataset.left_out),
            "read_as": dict(dataset.schemas),
        },
        "strict": evaluation.config.strict,
        "resamples": evaluation.config.num_resamples,
        "seed": evaluation.config.seed,
        "systems": [_system(report, result) for result in evaluation.results],
        "comparisons": [_comparison(one) for one in evaluation.comparisons],
        "calibration": None if report.calibration is None else report.calibration.to_dict(),
    }
    return json.dumps(value, ensure_ascii=True, indent=2, allow_nan=False) + "\n"


def _system(report: EvaluationReport, result: SystemResult) -> dict[str, Any]:
    system = result.system
    return {
        "system": system.name,
        "threshold": system.threshold,
        "tokens": system.tokens,
        "seconds": system.seconds,
        **_metrics(result.metrics),
        "categories": {
            one.label: {
                "unsafe": one.num_positives,
                "auprc_one_vs_all": _interval(one.one_vs_all),
                "auprc_one_vs_benign": _interval(one.one_vs_benign),
                "listed": one.listed,
            }
            for one in result.categories
        },
        "means": _means(result.category_averages),
        "categories_unknown": dict(result.unmapped_categories),
        "slices": [_slice(part) for part in result.slices],
        "thresholds": [_picks(picks) for picks in result.picks],
        "steerability": _steerability(report.steerability.get(system.name)),
        "missed": [_location(report, index) for index in result.false_negatives],
        "false_alarms": [_location(report, index) for index in result.false_positives],
    }


def _means(averages: CategoryAverages | None) -> dict[str, Any] | None:
    if averages is None:
        return None
    return {field.name: _interval(getattr(averages, field.name)) for field in fields(averages)}


def _steerability(steerability: Steerability | None) -> dict[str, Any] | None:
    if steerability is None:
        return None
    return {
        "flagged": steerability.num_flagged,
        "passed": steerability.num_passed,
        "left_out": dict(steerability.left_out),
        "prompts": steerability.num_prompts,
        "policies": steerability.num_policies,
        "turned": _interval(steerability.turned),
        "stayed": _interval(steerability.stayed),
        "probes": [
            {
                "policy": one.probe,
                "expected": one.expected,
                "records": one.num_records,
                "right": one.num_right,
                "errors": one.num_errors,
                "share": _interval(one.share),
                "inapplicable": one.inapplicable,
            }
            for one in steerability.results
        ],
    }


def _metrics(metrics: Metrics) -> dict[str, Any]:
    reliability = metrics.reliability
    return {
        "records": metrics.num_samples,
        "errors": metrics.num_errors,
        "counts": asdict(metrics.confusion),
        "auprc": _interval(metrics.auprc),
        "auroc": _interval(metrics.auroc),
        "f1": _interval(metrics.f1),
        "precision": _interval(metrics.precision),
        "recall": _interval(metrics.recall),
        "fpr": _interval(metrics.fpr),
        "calibration_error": None if reliability is None else reliability.error,
        "brier": None if reliability is None else reliability.brier,
        "reason": metrics.undefined_reason,
    }


def _slice(part: Slice) -> dict[str, Any]:
    gap = {"gap_to_english": _interval(part.gap), "gap_p": part.gap_p}
    return {"field": part.field, "value": part.value, "unsafe": part.num_unsafe, **_metrics(part.metrics), **gap}


def _picks(picks: ObjectivePicks) -> dict[str, Any]:
    picks_by_category: list[tuple[str | None, ThresholdPick]] = [(None, picks.overall), *picks.categories.items()]
    return {
        "aim": str(picks.objective),
        "choices": [
            {
                "category": name,
                "threshold": None if pick.choice is None else pick.choice.threshold,
                "counts": None if pick.choice is None else asdict(pick.choice.confusion),
                "reason": pick.reason,
            }
            for name, pick in picks_by_category
        ],
    }


def _comparison(one: SystemComparison) -> dict[str, Any]:
    return {
        "first": one.baseline,
        "system": one.system,
        "records": one.num_samples,
        "auprc": _interval(one.auprc),
        "auprc_p": one.auprc_p,
        "only_it_is_right": one.fixed,
        "only_the_first_is_right": one.regressed,
        "mcnemar_p": one.mcnemar_p,
    }


def _location(report: EvaluationReport, index: int) -> dict[str, Any]:
    key = report.evaluation.dataset.samples[index].key
    return {"source": key.source, "line": key.line, "part": key.part, "id": key.id}


def _interval(interval: Interval | None) -> dict[str, float | None] | None:
    """The value and the ends of its interval; they are null where it is a point, and says nothing."""
    if interval is None:
        return None
    known = not interval.is_point
    return {
        "value": interval.value,
        "low": interval.low if known else None,
        "high": interval.high if known else None,
    }
