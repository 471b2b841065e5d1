"""Format the `Summary` of an audit: for a terminal, and as an HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from guardcli.judging.histogram import ScoreHistogram
from guardcli.judging.summary import KINDS, Summary
from guardcli.judging.verdict import Verdict
from guardcli.report.html_page import render_page
from guardcli.report.terminal import format_table
from guardcli.text.escaping import pluralize

_BARS = " ▁▂▃▄▅▆▇█"  # of the histogram in a terminal
_MAX_SOURCES, _MAX_DAYS, _MAX_REASONS = 20, 400, 10  # rows of a table


def as_text(summary: Summary) -> str:
    """Format the counts of verdicts, by category and by source, and the reasons for errors."""
    parts = [f"{pluralize(summary.total, 'row')}: " + ", ".join(f"{summary.verdicts[kind]:,} {kind}" for kind in KINDS)]
    if summary.categories:
        rows = [(category, f"{number:,}") for category, number in summary.categories.most_common()]
        parts.append(format_table(("category", "unsafe"), rows, right=[1]))
    if summary.histogram.total:
        most = summary.histogram.max_count
        bars = "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in summary.histogram.counts)
        parts.append(f"scores from 0 to 1: {bars}\n")
    if len(summary.by_source) > 1:
        shown = list(summary.by_source.items())[:_MAX_SOURCES]
        rows_of = [(source, *(f"{counts[kind]:,}" for kind in KINDS)) for source, counts in shown]
        parts.append(format_table(("source", *KINDS), rows_of, right=[1, 2, 3]))
    if summary.reasons:
        rows = [(reason, f"{number:,}") for reason, number in summary.main_reasons(_MAX_REASONS)]
        parts.append(format_table(("could not be judged because", "rows"), rows, right=[1]))
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def as_page(summary: Summary, title: str, *, with_text: bool) -> str:
    """Return one self-contained HTML page. Messages are shown only if `with_text`, and only if the rows have them."""
    return render_page(
        "audit.html",
        {
            "title": title,
            "total": summary.total,
            "figures": [(kind, summary.verdicts[kind], f"{summary.share(kind):.2%}") for kind in KINDS],
            "made_by": [
                dict(zip(("model", "template", "taxonomy", "scoring"), made, strict=True)) for made in summary.made_by
            ],
            "thresholds": [f"{threshold:g}" for threshold in sorted(summary.thresholds)],
            "categories": _bars(summary.categories.most_common(), summary.verdicts["unsafe"]),
            "sources": _group_rows(summary.by_source, _MAX_SOURCES),
            "sources_left_out": max(0, len(summary.by_source) - _MAX_SOURCES),
            "days": _group_rows(dict(sorted(summary.by_day.items())), _MAX_DAYS),
            "days_left_out": max(0, len(summary.by_day) - _MAX_DAYS),
            "undated": summary.undated,
            "histogram": _histogram(summary.histogram),
            "flags": summary.flags.most_common(),
            "reasons": summary.main_reasons(_MAX_REASONS),
            "cases": [
                ("Most certain", "unsafe, the highest scores first", _cases(summary.most_confident, with_text)),
                ("Most borderline", "nearest to the threshold first", _cases(summary.borderline, with_text)),
            ],
        },
    )


def _bars(counts: Iterable[tuple[str, int]], total: int) -> list[tuple[str, int, str, float]]:
    """Return each name with its count, its share of the total, and the length of its bar in percent."""
    named_counts = list(counts)
    most = max((count for _, count in named_counts), default=1)
    return [(name, count, f"{count / max(total, 1):.1%}", 100 * count / most) for name, count in named_counts]


def _histogram(histogram: ScoreHistogram) -> list[tuple[str, int, float]]:
    """Return each bin with its count, and the height of its bar in percent."""
    most = max(histogram.max_count, 1)
    return [(label, count, 100 * count / most) for label, count in histogram.bins()]


def _group_rows(groups: Mapping[str, Counter[str]], most: int) -> list[tuple[str, list[int], str]]:
    """Return each group with its counts and its share of unsafe rows."""
    rows = []
    for name, counts in list(groups.items())[:most]:
        rows.append((name, [counts[kind] for kind in KINDS], f"{counts['unsafe'] / counts.total():.2%}"))
    return rows


def _cases(rows: Iterable[Verdict], with_text: bool) -> list[dict[str, Any]]:
    return [
        {
            "verdict": row.verdict,
            "score": "-" if row.judged_score is None else f"{row.judged_score:.4f}",
            "threshold": f"{row.threshold:g}",
            "categories": ", ".join(row.categories or ()) or "-",
            "place": row.location,
            "text": row.text if with_text else None,
        }
        for row in rows
    ]
