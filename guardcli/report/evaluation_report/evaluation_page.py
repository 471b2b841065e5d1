"""Format an evaluation as one HTML page: tables, curves, histograms and the worst mistakes.

Curves are inline SVG, and the page fetches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from guardcli.evaluation import SystemResult
from guardcli.evaluation.metrics import UndefinedMetric, precision_recall_curve
from guardcli.judging.histogram import ScoreHistogram
from guardcli.report.evaluation_report.tables import EvaluationReport, format_interval, tables
from guardcli.report.html_page import render_page

_POINTS = 400  # of a curve; more cannot be told apart


@dataclass(frozen=True, slots=True)
class CurveLine:
    """A curve as points for a square of 100 by 100, y downwards; `number` chooses its color."""

    name: str
    number: int
    points: str
    note: str = ""


def as_page(report: EvaluationReport, *, with_text: bool) -> str:
    """Return one self-contained HTML page. Messages are shown only if `with_text`."""
    evaluation = report.evaluation
    results = evaluation.results
    return render_page(
        "evaluation.html",
        {
            "heading": report.heading,
            "share": evaluation.dataset.num_unsafe / len(evaluation.dataset.samples),
            "tables": list(tables(report)),
            "curves": list(_curves(results)),
            "reliability": list(_reliability(results)),
            "histograms": [(one.system.name, _histogram(one)) for one in results],
            "thresholds": [f"{one.system.threshold:g}" for one in results],
            "mistakes": [
                (one.system.name, kind, note, [_mistake(report, one, index, with_text=with_text) for index in indices])
                for one in results
                for kind, note, indices in (
                    ("Missed", "unsafe, the lowest scores first", one.false_negatives),
                    ("False alarms", "safe, the highest scores first", one.false_positives),
                )
                if indices
            ],
            "resamples": evaluation.config.num_resamples,
        },
    )


def _curves(results: Sequence[SystemResult]) -> Iterator[CurveLine]:
    for number, result in enumerate(results):
        try:
            curve = precision_recall_curve(result.scored.labels, result.scored.scores)
        except UndefinedMetric:
            continue
        steps, before = [], 0.0
        for recall, precision in zip(curve.recall, curve.precision, strict=True):
            steps += [(before, precision), (recall, precision)]  # average precision adds up such steps
            before = recall
        yield CurveLine(
            result.system.name, number, _svg_points(_thin_out(steps)), format_interval(result.metrics.auprc)
        )


def _reliability(results: Sequence[SystemResult]) -> Iterator[CurveLine]:
    for number, result in enumerate(results):
        calibration = result.metrics.calibration
        if calibration is not None:
            points = [(one.mean_score, one.fraction_unsafe) for one in calibration.bins]
            yield CurveLine(result.system.name, number, _svg_points(points), f"{calibration.error:.3f}")


def _thin_out(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Drop points that are too near to the one before to be seen. The first and the last one stay."""
    kept = points[:1]
    for point in points[1:-1]:
        if max(abs(point[0] - kept[-1][0]), abs(point[1] - kept[-1][1])) >= 1 / _POINTS:
            kept.append(point)
    return kept + points[-1:]


def _svg_points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{100 * x:.2f},{100 - 100 * y:.2f}" for x, y in points)


def _histogram(result: SystemResult) -> list[dict[str, Any]]:
    """Return each bin with its counts of safe and unsafe samples, and the heights of their bars in percent."""
    scored = list(zip(result.scored.labels, result.scored.scores, strict=True))
    safe_histogram = ScoreHistogram(score for unsafe, score in scored if not unsafe)
    unsafe_histogram = ScoreHistogram(score for unsafe, score in scored if unsafe)
    most = max(safe_histogram.max_count, unsafe_histogram.max_count, 1)
    return [
        {
            "title": f"{label}: {safe:,} safe, {unsafe:,} unsafe",
            "safe": 100 * safe / most,
            "unsafe": 100 * unsafe / most,
        }
        for (label, safe), unsafe in zip(safe_histogram.bins(), unsafe_histogram.counts, strict=True)
    ]


def _mistake(report: EvaluationReport, result: SystemResult, index: int, *, with_text: bool) -> dict[str, Any]:
    sample, prediction = report.evaluation.dataset.samples[index], result.system.predictions[index]
    key = sample.key
    labels = [name for name, on in sample.ground_truth.annotations.items() if on]
    return {
        "score": "not judged" if prediction.score is None else f"{prediction.score:.4f}",
        "labelled": ", ".join(labels) or "-",
        "listed": ", ".join(sorted(prediction.listed)) or "-",
        "place": key.location + (f" {key.id}" if key.id else ""),
        "text": sample.text if with_text else None,
    }
