"""Format a `Comparison` of two runs: for a terminal, as JSON, and as an HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from guardcli.evaluation import Comparison, RowPair, score_delta
from guardcli.judging.summary import KINDS
from guardcli.judging.verdict import Verdict
from guardcli.report.html_page import render_page
from guardcli.report.page_parts import (
    CategoryNames,
    PageContext,
    excerpt,
    format_p_value,
    histogram_bars,
    place,
    shorten,
    small_models,
)
from guardcli.report.terminal import Cell, format_styled, format_table
from guardcli.text.escaping import escape_terminal, pluralize

_COLORS = {"safe": "green", "unsafe": "bold red", "error": "yellow"}
_MAX_CATEGORIES, _MAX_THRESHOLDS = 50, 5  # on a page
_SETTINGS = (
    ("model, with its digest", "model"),
    ("prompt template", "template"),
    ("taxonomy", "taxonomy"),
    ("digest of the prompt", "prompt_digest"),
    ("digest of the decision", "decision_digest"),
    ("scoring", "scoring"),
)
_FLIP_MEANINGS = {
    ("unsafe", "safe"): "Flagged before, and passes now: check that nothing is missed.",
    ("safe", "unsafe"): "Passed before, and is flagged now: check for false alarms.",
    ("unsafe", "error"): "Flagged before, and cannot be judged now.",
    ("safe", "error"): "Passed before, and cannot be judged now.",
    ("error", "unsafe"): "Could not be judged before, and is flagged now.",
    ("error", "safe"): "Could not be judged before, and passes now.",
}


def as_json(comparison: Comparison, before: str, after: str, *, with_text: bool) -> dict[str, Any]:
    """Return all metrics, and the rows that are shown, each as it is in both runs.

    Rows have their message, and fields that guard does not know, only if `with_text`.
    """
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
            {"before": was, "after": now, "rows": [_pair_dicts(pair, with_text) for pair in pairs]}
            for (was, now), pairs in comparison.flips.items()
        ],
        "moves": [_pair_dicts(pair, with_text) for pair in comparison.largest_deltas],
    }


def as_text(comparison: Comparison, before: str, after: str, *, color: bool, width: int) -> str:
    """Format the comparison for a terminal."""
    lines = [
        f"before: {escape_terminal(before)}\nafter:  {escape_terminal(after)}\n"
        f"{pluralize(comparison.num_matched, 'row')} in both, {comparison.unmatched[0]:,} only before, "
        f"{comparison.unmatched[1]:,} only after\n"
        f"agreement {_format_fraction(comparison.agreement)}, {pluralize(comparison.num_changed, 'verdict')} changed "
        f"(McNemar's test: p = {format_p_value(comparison.p_value)})\n"
    ]
    verdicts = [
        (_color_verdict(row["before"]), _color_verdict(row["after"]), f"{row['rows']:,}")
        for row in _verdicts(comparison)
    ]
    lines.append(format_table(("before", "after", "rows"), verdicts, color=color, width=width, right=[2]))
    if categories := [(r["category"], f"{r['gained']:,}", f"{r['lost']:,}") for r in _categories(comparison)]:
        headings = ("category", "newly listed", "no longer listed")
        lines.append(format_table(headings, categories, color=color, width=width, right=[1, 2]))
    for group in _groups(comparison, CategoryNames({}), with_text=True):
        shown = [(*row["scores"], row["moved"], row["categories"], row["place"]) for row in group["rows"]]
        columns = ("before", "after", "moved", "categories", "where")
        title = format_styled(f"{group['title']} ({group['note']})", "bold", color=color)
        lines.append(title + format_table(columns, shown, color=color, width=width, right=[0, 1, 2]))
    return "\n".join(lines)


def as_page(
    comparison: Comparison, before: str, after: str, *, with_text: bool, context: PageContext | None = None
) -> str:
    """Return one self-contained HTML page. Messages and ids are shown only if `with_text`."""
    context = context or PageContext()
    made_by = comparison.made_by[0] + comparison.made_by[1]
    names = CategoryNames.from_provenances(made_by, context)
    histograms = list(zip(("of-before", "of-after"), ("before", "after"), comparison.histograms, strict=True))
    values = {
        "finding": _finding(comparison),
        "small_models": small_models(made_by),
        "before": shorten(before),
        "after": shorten(after),
        "matched": comparison.num_matched,
        "changed": comparison.num_changed,
        "agreement": _format_fraction(comparison.agreement),
        "p_value": format_p_value(comparison.p_value),
        "unmatched": comparison.unmatched,
        "verdicts": _verdict_matrix(comparison),
        "settings": _settings(comparison),
        "categories": _category_changes(comparison, names),
        "categories_left_out": max(0, len({*comparison.gained, *comparison.lost}) - _MAX_CATEGORIES),
        "histogram": histogram_bars(histograms) if any(one.total for one in comparison.histograms) else [],
        "thresholds": [_join_numbers(one) for one in comparison.thresholds],
        "groups": list(_groups(comparison, names, with_text=with_text)),
        "with_text": with_text,
    }
    return render_page("diff.html", values, context)


def _finding(comparison: Comparison) -> str:
    """What a reader must know if there is time for one line only."""
    if not comparison.num_matched:
        return "The two runs have no row in common."
    rows = pluralize(comparison.num_matched, "row")
    if not comparison.num_changed:
        return f"No verdict changed on {rows}."
    parts = [
        f"{comparison.verdicts['unsafe', 'safe']:,} flagged before pass now",
        f"{comparison.verdicts['safe', 'unsafe']:,} that passed are flagged now",
    ]
    if lost := sum(comparison.verdicts[was, "error"] for was in ("safe", "unsafe")):
        parts.append(f"{lost:,} can no longer be judged")
    if gained := sum(comparison.verdicts["error", now] for now in ("safe", "unsafe")):
        parts.append(f"{gained:,} can be judged now")
    changed = f"{comparison.num_changed:,} of {rows} ({comparison.num_changed / comparison.num_matched:.2%})"
    return f"{changed} changed verdict: {', '.join(parts)}."


def _verdict_matrix(comparison: Comparison) -> list[tuple[str, list[tuple[str, int]]]]:
    """For each verdict before, the number of rows with each verdict after."""
    return [(was, [(now, comparison.verdicts[was, now]) for now in KINDS]) for was in KINDS]


def _settings(comparison: Comparison) -> list[tuple[str, str, str]]:
    """What both runs were judged with, side by side."""
    rows = []
    for words, name in _SETTINGS:
        sides = (dict.fromkeys(getattr(by, name) for by in made_by) for made_by in comparison.made_by)
        before, after = (shorten(", ".join(values)) or "unknown" for values in sides)
        rows.append((words, before, after))
    before, after = (_join_numbers(one) or "unknown" for one in comparison.thresholds)
    rows.append(("threshold", before, after))
    before, after = map(_join_numbers, comparison.temperatures)
    if any(temperature is not None for side in comparison.temperatures for temperature in side):
        rows.append(("temperature of the calibration", before, after))
    return rows


def _join_numbers(numbers: Counter[float] | Counter[float | None]) -> str:
    """The most frequent thresholds or temperatures."""
    shown = ["none" if number is None else f"{number:g}" for number, _ in numbers.most_common(_MAX_THRESHOLDS)]
    return ", ".join(shown) + (", …" if len(numbers) > _MAX_THRESHOLDS else "")


def _category_changes(comparison: Comparison, names: CategoryNames) -> list[dict[str, Any]]:
    """The categories that are listed in one run only, those with the most changes first."""
    changes = comparison.gained + comparison.lost
    return [
        names.entry(label) | {"gained": comparison.gained[label], "lost": comparison.lost[label]}
        for label, _ in changes.most_common(_MAX_CATEGORIES)
    ]


def _pair_dicts(pair: RowPair, with_text: bool) -> list[dict[str, Any]]:
    return [(row if with_text else replace(row, text=None, extra={})).to_dict() for row in pair]


def _verdicts(comparison: Comparison) -> list[dict[str, Any]]:
    return [{"before": was, "after": now, "rows": rows} for (was, now), rows in sorted(comparison.verdicts.items())]


def _categories(comparison: Comparison) -> list[dict[str, Any]]:
    names = sorted({*comparison.gained, *comparison.lost})
    return [{"category": n, "gained": comparison.gained[n], "lost": comparison.lost[n]} for n in names]


def _groups(comparison: Comparison, names: CategoryNames, *, with_text: bool) -> Iterator[dict[str, Any]]:
    """The pairs to look at, by what changed, the most important kind first."""
    for (was, now), pairs in comparison.flips.items():
        total = comparison.verdicts[was, now]
        yield _group(f"{was} → {now}", pairs, total, names, with_text) | {"meaning": _FLIP_MEANINGS[was, now]}
    if comparison.relabeled:
        meaning = "Unsafe in both runs, for different categories."
        group = _group("Other categories", comparison.relabeled, comparison.num_relabeled, names, with_text)
        yield group | {"meaning": meaning}
    if pairs := comparison.largest_deltas:
        meaning = "Of all rows, whether or not the verdict changed."
        yield _group("Largest moves of the score", pairs, len(pairs), names, with_text) | {"meaning": meaning}


def _group(title: str, pairs: Sequence[RowPair], total: int, names: CategoryNames, with_text: bool) -> dict[str, Any]:
    note = f"{total:,}" if total == len(pairs) else f"{len(pairs)} of {total:,}, the largest moves first"
    return {"title": title, "total": total, "note": note, "rows": [_pair_row(pair, names, with_text) for pair in pairs]}


def _pair_row(pair: RowPair, names: CategoryNames, with_text: bool) -> dict[str, Any]:
    before, after = pair
    lists = [names.join(row.categories) for row in pair]
    return {
        "verdicts": [before.verdict, after.verdict],
        "scores": [_format_score(before), _format_score(after)],
        "moved": f"{score_delta(pair):+.4f}" if all(row.judged_score is not None for row in pair) else "-",
        "categories": lists[0] if lists[0] == lists[1] else " → ".join(lists),
        "place": place(after, with_text=with_text),
        "text": excerpt(after.text or before.text) if with_text else None,
    }


def _format_score(row: Verdict) -> str:
    return "-" if row.judged_score is None else f"{row.judged_score:.4f}"


def _format_fraction(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _color_verdict(verdict: str) -> Cell:
    return verdict, _COLORS[verdict]
