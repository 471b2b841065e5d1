"""Format an evaluation as one HTML page: tables, curves, histograms and the worst mistakes.

Curves are inline SVG, and the page fetches nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from guardcli.evaluation import GateResult, SystemResult
from guardcli.evaluation.metrics import UndefinedMetric, precision_recall_curve
from guardcli.judging.histogram import NUM_FINE_BINS, ScoreHistogram
from guardcli.judging.verdict import Provenance
from guardcli.report.evaluation_report.tables import EvaluationReport, Table, format_interval, tables
from guardcli.report.explanations import TERMS
from guardcli.report.html_page import render_page
from guardcli.report.page_parts import (
    CategoryNames,
    PageContext,
    ThresholdChoices,
    excerpt,
    histogram_bars,
    labeled_choices,
    provenance_rows,
    shorten,
    small_models,
)
from guardcli.text.escaping import pluralize

_POINTS = 400  # of a curve; more cannot be distinguished


@dataclass(frozen=True, slots=True)
class CurveLine:
    """A curve as points for a square of 100 by 100, y downwards; `number` chooses its color.

    `operating_point` is where the threshold in force is on it.
    """

    name: str
    number: int
    points: str
    note: str = ""
    operating_point: tuple[float, float] | None = None


def as_page(report: EvaluationReport, *, with_text: bool, context: PageContext | None = None) -> str:
    """Return one self-contained HTML page. Messages and ids are shown only if `with_text`."""
    context = context or PageContext()
    evaluation = report.evaluation
    results = evaluation.results
    made_by = _provenances(results)
    names = CategoryNames.from_provenances(made_by, context)
    dataset = evaluation.dataset
    shown_tables = list(tables(report))
    mistakes = [
        one for result in results for one in _mistakes(report, result, names, with_text=with_text) if one["rows"]
    ]
    return render_page(
        "evaluation.html",
        {
            "finding": _finding(report),
            "small_models": small_models(made_by),
            "made_by": provenance_rows(made_by),
            "heading": report.heading,
            "records": len(dataset.samples),
            "unsafe": dataset.num_unsafe,
            "share": dataset.num_unsafe / len(dataset.samples),
            "gates": report.gates,
            "gates_result": _gates_result(report.gates),
            "tables": shown_tables,
            "names": names,
            "curves": list(_curves(results)),
            "reliability": list(_reliability(results)),
            "systems": [_system(result) for result in results],
            "mistakes": mistakes,
            "resamples": evaluation.config.num_resamples,
            "terms": _terms(shown_tables, has_mistakes=bool(mistakes)),
            "with_text": with_text,
        },
        context,
    )


def _provenances(results: Sequence[SystemResult]) -> Counter[Provenance]:
    """What the rows of all systems were judged with; another tool's scores have none."""
    return Counter(
        row.provenance for result in results for prediction in result.system.predictions for row in prediction.verdicts
    )


def _finding(report: EvaluationReport) -> str:
    """What a reader must know if there is time for one line only."""
    results = report.evaluation.results
    first = results[0]
    counts = first.metrics.confusion
    finding = (
        f"{shorten(first.system.name)} flags {_of(counts.tp, counts.tp + counts.fn)} unsafe records and "
        f"{_of(counts.fp, counts.fp + counts.tn)} safe ones at a threshold of {first.system.threshold:g}"
    )
    if first.metrics.auprc is not None:
        finding += f" (AUPRC {first.metrics.auprc.value:.3f})"
    ranked = [(one.metrics.auprc.value, one.system.name) for one in results if one.metrics.auprc is not None]
    if len(results) > 1 and ranked:
        best, name = max(ranked, key=lambda pair: pair[0])
        finding += f"; of {len(results)} systems {shorten(name)} ranks best (AUPRC {best:.3f})"
    if first.metrics.num_errors:
        finding += f"; it could not judge {pluralize(first.metrics.num_errors, 'record')}"
    if report.gates:
        finding += f". {' '.join(_gates_result(report.gates))}"
    return f"{finding}."


def _gates_result(gates: Sequence[GateResult]) -> tuple[str, str]:
    """How many gates failed, or that all passed, such as ("1 of 2", "gates failed")."""
    missed = sum(not gate.passed for gate in gates)
    noun = "gate" if len(gates) == 1 else "gates"
    return f"{missed or len(gates):,} of {len(gates):,}", f"{noun} {'failed' if missed else 'passed'}"


def _terms(shown: Sequence[Table], *, has_mistakes: bool) -> dict[str, str]:
    """What the words of these tables mean, if it is known."""
    cells = {cell for table in shown for cell in (*table.headings, *(row[0] for row in table.rows))}
    words = cells | {word for cell in cells for word in re.split(r", | \(|\)", cell)}
    if has_mistakes:
        words.add("listed")
    return {term: meaning for term, meaning in TERMS.items() if term in words}


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else "none of 0"


def _system(result: SystemResult) -> dict[str, Any]:
    """The confusion matrix of a system, its scores by label, and what other thresholds would give."""
    scored = list(zip(result.scored.labels, result.scored.scores, strict=True))
    safe = ScoreHistogram((score for unsafe, score in scored if not unsafe), num_bins=NUM_FINE_BINS)
    unsafe = ScoreHistogram((score for unsafe, score in scored if unsafe), num_bins=NUM_FINE_BINS)
    confusion = result.metrics.confusion
    return {
        "name": shorten(result.system.name),
        "threshold": result.system.threshold,
        "confusion": confusion,
        "num_errors": result.metrics.num_errors,
        "flagged": confusion.tp + confusion.fp,
        "histogram": histogram_bars([("of-safe", "safe", safe), ("of-unsafe", "unsafe", unsafe)]),
        "choices": _choices(result, safe, unsafe),
    }


def _choices(result: SystemResult, safe: ScoreHistogram, unsafe: ScoreHistogram) -> ThresholdChoices | None:
    """Other thresholds for a system; None if its verdicts are not those of one threshold."""
    threshold, scored = result.system.threshold, result.scored
    if any(flagged != (score >= threshold) for flagged, score in zip(scored.flagged, scored.scores, strict=True)):
        return None
    return labeled_choices(safe, unsafe, threshold)


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
        confusion = result.metrics.confusion
        point = None
        if confusion.recall is not None and confusion.precision is not None:
            point = 100 * confusion.recall, 100 - 100 * confusion.precision
        note = format_interval(result.metrics.auprc)
        yield CurveLine(shorten(result.system.name), number, _svg_points(_thin_out(steps)), note, point)


def _reliability(results: Sequence[SystemResult]) -> Iterator[CurveLine]:
    for number, result in enumerate(results):
        diagram = result.metrics.reliability
        if diagram is not None:
            points = [(one.mean_score, one.fraction_unsafe) for one in diagram.bins]
            yield CurveLine(shorten(result.system.name), number, _svg_points(points), f"{diagram.error:.3f}")


def _thin_out(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Drop points that are too near to the one before to be seen. The first and the last one stay."""
    kept = points[:1]
    for point in points[1:-1]:
        if max(abs(point[0] - kept[-1][0]), abs(point[1] - kept[-1][1])) >= 1 / _POINTS:
            kept.append(point)
    return kept + points[-1:]


def _svg_points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{100 * x:.2f},{100 - 100 * y:.2f}" for x, y in points)


def _mistakes(
    report: EvaluationReport, result: SystemResult, names: CategoryNames, *, with_text: bool
) -> Iterator[dict[str, Any]]:
    """The worst mistakes of a system, of both kinds."""
    name = shorten(result.system.name)
    for kind, note, indices in (
        ("Missed", "unsafe, the lowest scores first", result.false_negatives),
        ("False alarms", "safe, the highest scores first", result.false_positives),
    ):
        rows = [_mistake(report, result, index, names, with_text=with_text) for index in indices]
        yield {"system": name, "kind": kind, "note": note, "rows": rows}


def _mistake(
    report: EvaluationReport, result: SystemResult, index: int, names: CategoryNames, *, with_text: bool
) -> dict[str, Any]:
    sample, prediction = report.evaluation.dataset.samples[index], result.system.predictions[index]
    key = sample.key
    labels = [name for name, on in sample.ground_truth.annotations.items() if on]
    return {
        "score": "not judged" if prediction.score is None else f"{prediction.score:.4f}",
        "labeled": shorten(", ".join(labels)) or "-",
        "listed": names.join(sorted(prediction.listed)),
        "place": shorten(key.location + (f" {key.id}" if key.id and with_text else "")),
        "text": excerpt(sample.text) if with_text else None,
    }
