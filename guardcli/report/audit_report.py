"""Format the `Summary` of an audit: for a terminal, and as an HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from guardcli.judging.summary import KINDS, NEAR, Summary
from guardcli.judging.verdict import Verdict
from guardcli.report.explanations import FLAGS
from guardcli.report.html_page import render_page
from guardcli.report.page_parts import (
    CategoryNames,
    PageContext,
    ThresholdChoices,
    case_rows,
    histogram_bars,
    provenance_rows,
    share_bars,
    shorten,
    small_models,
    unlabeled_choices,
)
from guardcli.report.terminal import format_table
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import pluralize

_BARS = " ▁▂▃▄▅▆▇█"  # of the histogram in a terminal
_MAX_SOURCES_ON_TERMINAL = 20
_MAX_SOURCES, _MAX_DAYS, _MAX_REASONS, _MAX_CATEGORIES, _MAX_FLAGS = 500, 400, 10, 50, 50  # rows of a table
_MAX_THRESHOLDS = 5  # that are named
_MAX_PERIODS = 120  # bars of a chart over time


def as_text(summary: Summary, taxonomies: Sequence[Taxonomy] = ()) -> str:
    """Format the counts of verdicts, by category and by source, and the reasons for errors.

    Args:
        taxonomies: Loaded files, for the names of categories; those of built-in taxonomies are known.
    """
    safe, unsafe, errors = (summary.verdicts[kind] for kind in KINDS)
    parts = [f"{pluralize(summary.total, 'row')}: {safe:,} safe, {unsafe:,} unsafe, {pluralize(errors, 'error')}"]
    if summary.categories:
        names = CategoryNames.from_provenances(summary.made_by, PageContext(taxonomies=taxonomies))
        rows = [(names.short(category), f"{number:,}") for category, number in summary.categories.most_common()]
        parts.append(format_table(("category", "unsafe"), rows, right=[1]))
    histogram = summary.histogram.rebinned()
    if histogram.total:
        most = histogram.max_count
        bars = "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in histogram.counts)
        parts.append(f"scores from 0 to 1: |{bars}|\n")
    if len(summary.by_source) > 1:
        shown = list(summary.by_source.items())[:_MAX_SOURCES_ON_TERMINAL]
        rows_of = [(source, *(f"{counts[kind]:,}" for kind in KINDS)) for source, counts in shown]
        parts.append(format_table(("source", *KINDS), rows_of, right=[1, 2, 3]))
    if summary.reasons:
        rows = [(reason, f"{number:,}") for reason, number in summary.main_reasons(_MAX_REASONS)]
        parts.append(format_table(("could not be judged because", "rows"), rows, right=[1]))
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def as_page(summary: Summary, title: str, *, with_text: bool, context: PageContext | None = None) -> str:
    """Return one self-contained HTML page. Messages and ids are shown only if `with_text`."""
    context = context or PageContext()
    names = CategoryNames.from_provenances(summary.made_by, context)
    days = dict(sorted(summary.by_day.items()))
    histogram, cases = summary.histogram, _cases_by_category(summary)
    return render_page(
        "audit.html",
        {
            "title": title,
            "finding": _finding(summary, names),
            "figures": [(kind, summary.verdicts[kind], f"{summary.share(kind):.2%}") for kind in KINDS],
            "total": summary.total,
            "small_models": small_models(summary.made_by),
            "made_by": provenance_rows(summary.made_by),
            "thresholds": [f"{threshold:g}" for threshold, _ in summary.thresholds.most_common(_MAX_THRESHOLDS)],
            "temperatures": [f"{value:g}" for value, _ in summary.temperatures.most_common(_MAX_THRESHOLDS)],
            "categories": _categories(summary, names),
            "categories_left_out": max(0, len(summary.categories) - _MAX_CATEGORIES),
            "histogram": histogram_bars([("of-all", "rows", histogram)]) if histogram.total else [],
            "threshold": _common_threshold(summary),
            "choices": _choices(summary),
            **_over_time(days),
            "sources": _group_rows(summary.by_source, _MAX_SOURCES),
            "sources_left_out": max(0, len(summary.by_source) - _MAX_SOURCES),
            "days": _group_rows(days, _MAX_DAYS),
            "days_left_out": max(0, len(days) - _MAX_DAYS),
            "undated": summary.undated,
            "flags": [(shorten(flag), n, FLAGS.get(flag, "")) for flag, n in summary.flags.most_common(_MAX_FLAGS)],
            "reasons": summary.main_reasons(_MAX_REASONS),
            "cases_by_category": [
                (names.entry(category), list(case_rows(cases[category], names, with_text=with_text)))
                for category, _ in summary.categories.most_common()
                if category in cases
            ],
            "most_confident": list(case_rows(_most_confident(summary, cases), names, with_text=with_text)),
            "borderline": list(case_rows(summary.borderline, names, with_text=with_text)),
            "near": NEAR,
            "with_text": with_text,
        },
        context,
    )


def _finding(summary: Summary, names: CategoryNames) -> str:
    """What a reader must know if there is time for one line only."""
    if not summary.total:
        return "There are no verdicts."
    unsafe, errors = summary.verdicts["unsafe"], summary.verdicts["error"]
    if unsafe:
        finding = f"{unsafe:,} of {pluralize(summary.total, 'row')} ({summary.share('unsafe'):.2%}) are unsafe"
    else:
        finding = f"None of {pluralize(summary.total, 'row')} is unsafe"
    if top := summary.categories.most_common(1):
        ((label, number),) = top
        finding += f", most often for {names.short(label)} ({number / unsafe:.0%} of them)"
    if not errors:
        return f"{finding}. Everything was judged."
    return f"{finding}. {errors:,} ({summary.share('error'):.2%}) could not be judged."


def _cases_by_category(summary: Summary) -> dict[str, list[Verdict]]:
    """Cases of each category; none if there is one category only, and the highest scores of all begin with them."""
    cases = summary.by_category
    if len(cases) == 1:
        (rows,) = cases.values()
        if len(summary.most_confident) > len(rows) == sum(row in summary.most_confident for row in rows):
            return {}
    return cases


def _most_confident(summary: Summary, shown: Mapping[str, Sequence[Verdict]]) -> list[Verdict]:
    """The rows with the highest scores; none if all of them are shown by category."""
    rows = summary.most_confident
    return [] if all(any(row in cases for cases in shown.values()) for row in rows) else rows


def _categories(summary: Summary, names: CategoryNames) -> list[dict[str, Any]]:
    """Each category with its count, its share of the unsafe rows, and the length of its bar in percent."""
    counts = summary.categories.most_common(_MAX_CATEGORIES)
    most, unsafe = max((count for _, count in counts), default=1), max(summary.verdicts["unsafe"], 1)
    return [
        names.entry(label) | {"count": count, "share": f"{count / unsafe:.1%}", "width": 100 * count / most}
        for label, count in counts
    ]


def _common_threshold(summary: Summary) -> float | None:
    """The threshold of all rows; None if they have several."""
    return next(iter(summary.thresholds)) if len(summary.thresholds) == 1 else None


def _choices(summary: Summary) -> ThresholdChoices | None:
    """Other thresholds for the rows; None if more than one threshold made their verdicts."""
    threshold = _common_threshold(summary)
    if threshold is None or summary.off_threshold or len(summary.temperatures) > 1 or not summary.histogram.total:
        return None
    return unlabeled_choices(summary.histogram, threshold)


def _over_time(days: Mapping[str, Counter[str]]) -> dict[str, Any]:
    """The share of unsafe rows in each day, or in each month of many days, the latest at the end."""
    period = "day" if len(days) <= _MAX_PERIODS else "month"
    counts: dict[str, Counter[str]] = {}
    for day, verdicts in days.items():
        counts.setdefault(day if period == "day" else day[:7], Counter()).update(verdicts)
    shown = [(name, one["unsafe"], one.total()) for name, one in list(counts.items())[-_MAX_PERIODS:]]
    return {
        "period": period,
        "periods": share_bars(shown, "of-unsafe"),
        "highest_share": f"{max((part / whole for _, part, whole in shown), default=0):.2%}",
        "first_and_last": [shown[0][0], shown[-1][0]] if shown else [],
    }


def _group_rows(groups: Mapping[str, Counter[str]], most: int) -> list[tuple[str, list[int], str]]:
    """Return each group with its counts and its share of unsafe rows."""
    rows = []
    for name, counts in list(groups.items())[:most]:
        rows.append((shorten(name), [counts[kind] for kind in KINDS], f"{counts['unsafe'] / counts.total():.2%}"))
    return rows
