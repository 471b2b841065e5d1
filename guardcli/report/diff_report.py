"""Format a `Comparison` of two runs: for a terminal, as JSON, and as an HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from guardcli.evaluation import Comparison, RowPair, score_delta
from guardcli.judging.verdict import Verdict
from guardcli.report.html_page import render_page
from guardcli.report.terminal import Cell, format_styled, format_table
from guardcli.text.escaping import escape_terminal, pluralize

_COLORS = {"safe": "green", "unsafe": "bold red", "error": "yellow"}


def as_json(comparison: Comparison, before: str, after: str) -> dict[str, Any]:
    """Return all metrics, and the rows that are shown, each as it is in both runs."""
    return {
        "before": before,
        "after": after,
        "matched": comparison.num_matched,
        "unmatched": list(comparison.unmatched),
        "changed": comparison.num_changed,
        "agreement": comparison.agreement,
        "mcnemar_p": comparison.p_value,
        "verdicts": _verdicts(comparison),
        "categories": _categories(comparison),
        "flips": [
            {"before": was, "after": now, "rows": [[row.to_dict() for row in pair] for pair in pairs]}
            for (was, now), pairs in comparison.flips.items()
        ],
        "moves": [[row.to_dict() for row in pair] for pair in comparison.largest_deltas],
    }


def as_text(comparison: Comparison, before: str, after: str, *, color: bool, width: int) -> str:
    """Format the comparison for a terminal."""
    lines = [
        f"before: {escape_terminal(before)}\nafter:  {escape_terminal(after)}\n"
        f"{pluralize(comparison.num_matched, 'row')} in both, {comparison.unmatched[0]:,} only before, "
        f"{comparison.unmatched[1]:,} only after\n"
        f"agreement {_format_fraction(comparison.agreement)}, {pluralize(comparison.num_changed, 'verdict')} changed "
        f"(McNemar's test: p = {comparison.p_value:.3g})\n"
    ]
    verdicts = [
        (_color_verdict(row["before"]), _color_verdict(row["after"]), f"{row['rows']:,}")
        for row in _verdicts(comparison)
    ]
    lines.append(format_table(("before", "after", "rows"), verdicts, color=color, width=width, right=[2]))
    if categories := [(r["category"], f"{r['gained']:,}", f"{r['lost']:,}") for r in _categories(comparison)]:
        headings = ("category", "newly listed", "no longer listed")
        lines.append(format_table(headings, categories, color=color, width=width, right=[1, 2]))
    for group in _groups(comparison, with_text=False):
        shown = [(*row["scores"], row["moved"], row["categories"], row["place"]) for row in group["rows"]]
        columns = ("before", "after", "moved", "categories", "where")
        title = format_styled(f"{group['title']} ({group['note']})", "bold", color=color)
        lines.append(title + format_table(columns, shown, color=color, width=width, right=[0, 1, 2]))
    return "\n".join(lines)


def as_page(comparison: Comparison, before: str, after: str, *, with_text: bool) -> str:
    """Return one self-contained HTML page. Messages are shown only if `with_text`, and only if the rows have them."""
    values = as_json(comparison, before, after) | {
        "agreement": _format_fraction(comparison.agreement),
        "p_value": f"{comparison.p_value:.3g}",
        "groups": list(_groups(comparison, with_text=with_text)),
    }
    return render_page("diff.html", values)


def _verdicts(comparison: Comparison) -> list[dict[str, Any]]:
    return [{"before": was, "after": now, "rows": rows} for (was, now), rows in sorted(comparison.verdicts.items())]


def _categories(comparison: Comparison) -> list[dict[str, Any]]:
    names = sorted({*comparison.gained, *comparison.lost})
    return [{"category": n, "gained": comparison.gained[n], "lost": comparison.lost[n]} for n in names]


def _groups(comparison: Comparison, *, with_text: bool) -> Iterator[dict[str, Any]]:
    for (was, now), pairs in comparison.flips.items():
        total = comparison.verdicts[was, now]
        note = f"{total:,}" if total == len(pairs) else f"{len(pairs)} of {total:,}, the largest moves first"
        yield {"title": f"{was} → {now}", "note": note, "rows": [_pair_row(pair, with_text) for pair in pairs]}
    if comparison.largest_deltas:
        rows = [_pair_row(pair, with_text) for pair in comparison.largest_deltas]
        yield {"title": "Largest moves of the score", "note": f"{len(rows)}", "rows": rows}


def _pair_row(pair: RowPair, with_text: bool) -> dict[str, Any]:
    before, after = pair
    lists = [",".join(row.categories or ()) or "-" for row in pair]
    return {
        "verdicts": [before.verdict, after.verdict],
        "scores": [_format_score(before), _format_score(after)],
        "moved": f"{score_delta(pair):+.4f}" if all(row.judged_score is not None for row in pair) else "-",
        "categories": lists[0] if lists[0] == lists[1] else " → ".join(lists),
        "place": after.location,
        "text": (after.text or before.text) if with_text else None,
    }


def _format_score(row: Verdict) -> str:
    return "-" if row.judged_score is None else f"{row.judged_score:.4f}"


def _format_fraction(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _color_verdict(verdict: str) -> Cell:
    return verdict, _COLORS[verdict]
