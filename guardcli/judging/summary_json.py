"""Summaries as JSON: each process that judges a part of a run writes one, and another process adds them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from guardcli.judging.summary import Summary
from guardcli.judging.topk import TopK
from guardcli.judging.verdict import Provenance, Verdict

_COUNTERS = ("verdicts", "categories", "flags")
_NESTED_COUNTERS = ("by_source", "by_day")
_NUMBER_COUNTERS = ("thresholds", "temperatures")  # JSON has no numbers for keys
_NUMBERS = ("timed", "undated", "off_threshold", "num_texts")
_CASES = ("confident_cases", "borderline_cases")
_PROVENANCE = [field.name for field in fields(Provenance) if field.compare]


def to_json(summary: Summary) -> dict[str, Any]:
    """Return a summary as JSON values, with the rows of its cases."""
    return {
        **{name: dict(getattr(summary, name)) for name in _COUNTERS},
        **{name: {key: dict(counts) for key, counts in getattr(summary, name).items()} for name in _NESTED_COUNTERS},
        **{name: [[key, number] for key, number in getattr(summary, name).items()] for name in _NUMBER_COUNTERS},
        **{name: getattr(summary, name) for name in _NUMBERS},
        **{name: _cases_to_json(getattr(summary, name)) for name in _CASES},
        "category_cases": {category: _cases_to_json(cases) for category, cases in summary.category_cases.items()},
        "reasons": dict(summary.reasons),
        "unread_date": summary.unread_date,
        "histogram": [[at, count] for at, count in enumerate(summary.histogram.counts) if count],
        "made_by": [
            [{name: getattr(provenance, name) for name in _PROVENANCE}, number]
            for provenance, number in summary.made_by.items()
        ],
    }


def add_json(summary: Summary, value: Mapping[str, Any]) -> None:
    """Add what `to_json` returned for the rows that follow those of a summary.

    The result is that of one summary of all rows. Only where a part has more than REASONS different reasons for errors
    may more of them count as other ones.
    """
    for name in _COUNTERS:
        getattr(summary, name).update(value[name])
    for name in _NESTED_COUNTERS:
        for key, counts in value[name].items():
            getattr(summary, name).setdefault(key, Counter()).update(counts)
    for name in _NUMBER_COUNTERS:
        getattr(summary, name).update(dict(value[name]))
    for name in _NUMBERS:
        setattr(summary, name, getattr(summary, name) + value[name])
    for name in _CASES:
        _add_cases(getattr(summary, name), value[name])
    for category, cases in value["category_cases"].items():
        if (kept := summary.cases_of(category)) is not None:
            _add_cases(kept, cases)
    for reason, number in value["reasons"].items():
        summary.count_reason(reason, number)
    if summary.unread_date is None:
        summary.unread_date = value["unread_date"]
    for at, count in value["histogram"]:
        summary.histogram.counts[at] += count
    for provenance, number in value["made_by"]:
        summary.made_by[Provenance(**provenance)] += number


def _cases_to_json(cases: TopK[Verdict]) -> list[list[Any]]:
    return [[weight, row.to_dict()] for weight, row in cases.weighted_items()]


def _add_cases(kept: TopK[Verdict], cases: Sequence[Sequence[Any]]) -> None:
    for weight, row in cases:
        if kept.accepts(weight):
            kept.add(weight, Verdict.from_dict(row))
