"""An evaluation as tables, and the tables as text and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from guardcli.errors import as_options
from guardcli.evaluation import (
    Evaluation,
    GateResult,
    ProbeResult,
    Slice,
    Steerability,
    SystemResult,
    ThresholdPick,
)
from guardcli.evaluation.metrics import Interval
from guardcli.judging import Calibration, FitReport
from guardcli.report.page_parts import format_p_value
from guardcli.report.terminal import format_styled, format_table
from guardcli.text.escaping import escape_terminal, pluralize
from guardcli.text.lists import join_words

NONE = "-"
_NO_INTERVAL = (
    "Values without an interval are of one record, or the same in all resamples: nothing says how certain they are."
)
TURNED, STAYED = "turns when it should", "stays when it should"
_METRICS = (
    ("AUPRC", "auprc"),
    ("AUROC", "auroc"),
    ("F1", "f1"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("false positive rate", "fpr"),
)
_MAX_UNMAPPED = 8  # native categories that a note names


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """An evaluation, the steerability of systems by their name, the name of the data, what gates say of it, and the
    calibration that was fitted."""

    evaluation: Evaluation
    steerability: Mapping[str, Steerability]
    source: str
    gates: Sequence[GateResult] = ()
    calibration: Calibration | None = None

    @property
    def heading(self) -> str:
        """The data in one line: its name, how many samples, and what was left out."""
        dataset = self.evaluation.dataset
        total, unsafe = len(dataset.samples), dataset.num_unsafe
        words = f"{self.source}: {pluralize(total, 'labeled record')}, {unsafe:,} unsafe ({unsafe / total:.1%})"
        if dataset.schemas:
            words += f"; read as {', '.join(dataset.schemas)}"
        words += "".join(f"; {number:,} {reason}" for reason, number in dataset.left_out.items())
        for first in dataset.unreadable[:1]:
            words += f"; {len(dataset.unreadable):,} cannot be read (line {first.key.line}: {as_options(first.reason)})"
        return words


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its title and a note; all columns but the first hold numbers.

    `names_categories`: the first column has labels of categories.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    names_categories: bool = False

    @property
    def right(self) -> range:
        return range(1, len(self.headings))


def as_text(report: EvaluationReport, *, color: bool, width: int) -> str:
    """Format all tables for a terminal of `width` columns."""
    parts = [f"{escape_terminal(report.heading)}\n"]
    for one in tables(report):
        title = format_styled(one.title, "bold", color=color)
        note = f"{escape_terminal(one.note)}\n" if one.note else ""
        parts.append(title + format_table(one.headings, one.rows, color=color, width=width, right=one.right) + note)
    return "\n".join(parts)


def as_markdown(report: EvaluationReport) -> str:
    """Format all tables as Markdown."""
    parts = [f"{_escaped(report.heading)}\n"]
    for one in tables(report):
        rules = ("---:" if at in one.right else "---" for at in range(len(one.headings)))
        lines = [map(_escaped, one.headings), rules, *(map(_escaped, row) for row in one.rows)]
        body = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        parts.append(f"### {_escaped(one.title)}\n\n{body}" + (f"\n{_escaped(one.note)}\n" if one.note else ""))
    return "\n".join(parts)


def tables(report: EvaluationReport) -> Iterator[Table]:
    """Yield every table that has rows."""
    results = report.evaluation.results
    yield _systems(results, report.steerability, strict=report.evaluation.config.strict)
    if report.evaluation.comparisons:
        yield _comparisons(report)
    for result in results:
        suffix = f": {result.system.name}" if len(results) > 1 else ""
        if result.categories:
            yield _categories(result, suffix)
        for path in dict.fromkeys(part.field for part in result.slices):
            yield _slices([part for part in result.slices if part.field == path], path, suffix)
        for picks in result.picks:
            rows = [("all", picks.overall), *picks.categories.items()]
            yield _thresholds(rows, f"Threshold for {picks.objective}{suffix}")
        if result.system.name in report.steerability:
            yield _steerability(report.steerability[result.system.name], suffix)
    if report.calibration is not None and report.calibration.fit_report is not None:
        yield _calibration(report.calibration, report.calibration.fit_report)


def _systems(results: Sequence[SystemResult], steerability: Mapping[str, Steerability], *, strict: bool) -> Table:
    """Return the table with a row for each metric and a column for each system: intervals are wide."""
    all_metrics = [result.metrics for result in results]
    rows = [(words, *(format_interval(getattr(one, name)) for one in all_metrics)) for words, name in _METRICS]
    if steerability:
        measured = [steerability.get(result.system.name) for result in results]
        rows.append((TURNED, *(format_interval(None if one is None else one.turned) for one in measured)))
        rows.append((STAYED, *(format_interval(None if one is None else one.stayed) for one in measured)))
    diagrams = [one.reliability for one in all_metrics]
    rows.append(("calibration error", *(NONE if one is None else f"{one.error:.3f}" for one in diagrams)))
    counts = [one.confusion for one in all_metrics]
    rows.append(("TP, TN", *(f"{one.tp:,}, {one.tn:,}" for one in counts)))
    rows.append(("FN, FP", *(f"{one.fn:,}, {one.fp:,}" for one in counts)))
    errors = f"not judged{', counted as wrong' if strict else ''}"
    rows.append((errors, *(f"{one.num_errors:,}" for one in all_metrics)))
    rows.append(("threshold", *(f"{result.system.threshold:g}" for result in results)))
    systems = [result.system for result in results]
    if any(system.seconds is not None for system in systems):
        rows.append(("tokens evaluated", *(NONE if one.tokens is None else f"{one.tokens:,}" for one in systems)))
        rows.append(("seconds", *(NONE if one.seconds is None else f"{one.seconds:.1f}" for one in systems)))
    reasons = dict.fromkeys(one.undefined_reason for one in all_metrics if one.undefined_reason)
    note = "".join(f"Undefined over all thresholds: {reason}. " for reason in reasons)
    if results[0].unmapped_categories and not results[0].categories:
        note += f"No category of the policy for {_unmapped_names(results[0])}: name them with --map."
    note = _with_points(note.strip(), (getattr(one, name) for one in all_metrics for _, name in _METRICS))
    return Table("Overall", ("", *(system.name for system in systems)), tuple(rows), note)


def _comparisons(report: EvaluationReport) -> Table:
    rows = [
        (
            one.system,
            f"{one.num_samples:,}",
            format_interval(one.auprc, "+"),
            format_p_value(one.auprc_p),
            f"{one.fixed:,}",
            f"{one.regressed:,}",
            format_p_value(one.mcnemar_p),
        )
        for one in report.evaluation.comparisons
    ]
    note = _with_points(
        "Paired comparison on the records that count for both systems.",
        (one.auprc for one in report.evaluation.comparisons),
    )
    headings = ("system", "records", "AUPRC", "p", "only it is correct", "only the first is correct", "p (McNemar)")
    return Table(f"Against {report.evaluation.comparisons[0].baseline}", headings, tuple(rows), note)


def _categories(result: SystemResult, suffix: str) -> Table:
    rows = [
        (
            one.label,
            f"{one.num_positives:,}",
            format_interval(one.one_vs_all),
            format_interval(one.one_vs_benign),
            _ratio(one.listed),
        )
        for one in result.categories
    ]
    means = result.category_averages
    if means is not None and len(rows) > 1:
        rows.append(
            ("macro", "", format_interval(means.macro_one_vs_all), format_interval(means.macro_one_vs_benign), "")
        )
        rows.append(
            ("micro", "", format_interval(means.micro_one_vs_all), format_interval(means.micro_one_vs_benign), "")
        )
    headings = ("category", "unsafe", "AUPRC, one vs all", "one vs benign", "listed")
    note = f"No category of the policy for {_unmapped_names(result)}." if result.unmapped_categories else ""
    intervals = [way for one in result.categories for way in (one.one_vs_all, one.one_vs_benign)]
    if means is not None:
        intervals += [means.macro_one_vs_all, means.macro_one_vs_benign]
        intervals += [means.micro_one_vs_all, means.micro_one_vs_benign]
    note = _with_points(note, intervals)
    return Table(f"By category{suffix}", headings, tuple(rows), note, names_categories=True)


def _slices(parts: Sequence[Slice], path: str, suffix: str) -> Table:
    gaps, errors = any(part.gap is not None for part in parts), any(part.metrics.num_errors for part in parts)
    rows = []
    for part in parts:
        metrics = part.metrics
        cells = [
            part.value,
            f"{metrics.num_samples:,}",
            f"{part.num_unsafe:,}",
            format_interval(metrics.auprc),
            format_interval(metrics.f1),
        ]
        cells += [_value(metrics.recall), _value(metrics.fpr)]
        rows.append(
            (
                *cells,
                *([f"{metrics.num_errors:,}"] if errors else []),
                *([format_interval(part.gap, "+")] if gaps else []),
            )
        )
    headings = [path, "records", "unsafe", "AUPRC", "F1", "recall", "FPR", *(["not judged"] if errors else [])]
    note = (
        "The gap is the difference in AUPRC to English. AUPRC rises with the share of unsafe records." if gaps else ""
    )
    note = _with_points(note, (one for part in parts for one in (part.metrics.auprc, part.metrics.f1, part.gap)))
    return Table(f"By {path}{suffix}", (*headings, *(["gap"] if gaps else [])), tuple(rows), note)


def _thresholds(picks: Sequence[tuple[str, ThresholdPick]], title: str) -> Table:
    rows = []
    for name, pick in picks:
        if pick.choice is None:
            rows.append((name, NONE, *[NONE] * 4, pick.reason or ""))
            continue
        counts = pick.choice.confusion
        metrics = (counts.f1, counts.precision, counts.recall, counts.fpr)
        rows.append((name, repr(pick.choice.threshold), *map(_ratio, metrics), ""))
    headings = ("", "threshold", "F1", "precision", "recall", "FPR", "")
    note = "Chosen on these records, so the metrics are optimistic: check the threshold on other records."
    return Table(title, headings, tuple(rows), note, names_categories=True)


def _calibration(calibration: Calibration, fit: FitReport) -> Table:
    rows = [
        ("log-loss", *map(_ratio, fit.log_loss)),
        ("calibration error", *map(_ratio, fit.calibration_error)),
    ]
    if calibration.threshold is not None:
        rows.append((f"threshold for {calibration.objective}", NONE, repr(calibration.threshold)))
    note = (
        f"Temperature {calibration.temperature:.3g}, fitted on {pluralize(fit.num_samples, 'record')}, "
        f"{fit.num_unsafe:,} unsafe. The figures are optimistic for these records: check the calibration on others."
    )
    if fit.calibration_error.after >= fit.calibration_error.before:
        note += (
            " The calibration error did not fall: too many or too few scores are above 0.5. A temperature cannot move "
            "scores across 0.5; a threshold can (--choose-threshold)."
        )
    return Table(f"Calibration: {calibration.model}", ("", "raw scores", "calibrated"), tuple(rows), note)


def _steerability(steerability: Steerability, suffix: str) -> Table:
    rows = [_probe(result) for result in steerability.results]
    headings = ("policy", "the right verdict", "records", "do it", "share", "not judged")
    return Table(f"Steerability{suffix}", headings, tuple(rows), _steerability_note(steerability))


def _probe(result: ProbeResult) -> tuple[str, ...]:
    if result.inapplicable is not None:
        return result.probe, result.expected, NONE, NONE, NONE, NONE
    counts = f"{result.num_records:,}", f"{result.num_right:,}", format_interval(result.share), f"{result.num_errors:,}"
    return result.probe, result.expected, *counts


def _steerability_note(steerability: Steerability) -> str:
    """Which records took part, what was not applicable and why, what it cost, and what the intervals are."""
    taking_part = f"{pluralize(steerability.num_flagged, 'unsafe record')} flagged for a category of their labels"
    if steerability.num_passed:
        taking_part += f" and {pluralize(steerability.num_passed, 'safe record')} that pass"
    prompts = pluralize(steerability.num_prompts, "prompt")
    note = f"Judged again: {taking_part}, as {prompts} under changed policies ({steerability.num_policies:,})."
    if steerability.left_out:
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in steerability.left_out.items())
        note += f" Unsafe records left out: {reasons}."
    for reason in dict.fromkeys(one.inapplicable for one in steerability.results if one.inapplicable):
        probes = ", ".join(one.probe for one in steerability.results if one.inapplicable == reason)
        note += f" Not applicable: {probes} ({reason})."
    return f"{note} In brackets: Wilson's 95% interval."


def format_interval(interval: Interval | None, sign: Literal["", "+"] = "") -> str:
    """Format a value with its interval, such as "0.912 (0.880, 0.941)"; with "+" positive ones have their sign.

    An interval that is a point is left out: it would look certain.
    """
    if interval is None:
        return NONE
    if interval.is_point:
        return f"{interval.value:{sign}.3f}"
    value, low, high = (f"{number:{sign}.3f}" for number in (interval.value, interval.low, interval.high))
    return f"{value} ({low}, {high})"


def _with_points(note: str, intervals: Iterable[Interval | None]) -> str:
    """Add to the note of a table why some values have no interval."""
    if any(one is not None and one.is_point for one in intervals):
        note += f" {_NO_INTERVAL}"
    return note.strip()


def _ratio(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.3f}"


def _value(interval: Interval | None) -> str:
    return _ratio(None if interval is None else interval.value)


def _unmapped_names(result: SystemResult) -> str:
    names = (f"{name} ({number:,})" for name, number in result.unmapped_categories.most_common())
    return join_words(names, limit=_MAX_UNMAPPED)


def _escaped(text: str) -> str:
    """Escape text of the input for Markdown, so that it cannot make a table, a tag, a link or a mention."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*_[]<>#|~:@" else letter for letter in escape_terminal(text))
    return re.sub(r"(?i)\bwww\.", r"www\\.", escaped)
