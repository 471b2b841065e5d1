"""The figures of an evaluation as tables in Markdown, for the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guardcli.evaluation.probe_policies import PROBES
from recipes.smol.evaluation_sets import AVERAGED, RESPONSES
from recipes.tables import format_interval, format_number, format_percent, table

_EXPECTED = {probe.name: probe.expected for probe in PROBES}


def format_figures(figures: Mapping[str, Any]) -> str:
    """Tables of the parts that were evaluated."""
    parts = (
        ("sets", _format_sets),
        ("benign", _format_benign),
        ("changes", _format_changes),
        ("definitions", lambda policies: _format_policies("halves of a definition", policies)),
        ("unseen", lambda policies: _format_policies("unseen policy", policies)),
        ("everyday", _format_everyday),
    )
    return "\n".join("\n".join(format_part(figures[name])) + "\n" for name, format_part in parts if name in figures)


def _format_sets(sets: Mapping[str, Any]) -> Iterator[str]:
    header = ("set", "rows, unsafe", "AUPRC (95 %)", "F1", "FPR", "recall", "linear model", "difference (95 %)")
    rows = []
    for name in (*AVERAGED, "mean", RESPONSES):
        found = sets[name]
        size = f"{found['rows']:,}, {found['unsafe'] / found['rows']:.0%}" if "rows" in found else ""
        decided = [format_number(found.get(metric)) for metric in ("f1", "fpr", "recall")]
        linear = format_number(found["linear"][0] if found["linear"] else None)
        rows.append(
            (name, size, format_interval(found["auprc"]), *decided, linear, format_interval(found["difference"]))
        )
    yield from table(header, rows)


def _format_benign(benign: Mapping[str, Any]) -> Iterator[str]:
    names = {"benign": "everyday sets, held out", "mt_bench": "MT-Bench"}
    rows = [(names[name], str(found["rows"]), format_percent(found["share"])) for name, found in benign.items()]
    yield from table(("harmless records", "rows", "flagged (95 %)"), rows)


def _format_changes(changes: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for name, reading in changes.items():
        rows.append((name, _EXPECTED[name], str(reading["items"]), format_number(reading["share"])))
    yield from table(("policy", "the right verdict", "items", "share"), rows)


def _format_policies(named: str, policies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    kinds = ("right", "listed", "turned")
    rows = [(p["name"], *(f"{p[kind]['right']} of {p[kind]['items']}" for kind in kinds)) for p in policies]
    totals = []
    for kind in kinds:
        right, items = (sum(policy[kind][count] for policy in policies) for count in ("right", "items"))
        totals.append(f"{right} of {items} ({right / items:.0%})" if items else "0 of 0")
    header = (named, "right", "category listed", "turned when exchanged")
    yield from table(header, [*rows, ("all", *totals)])


def _format_everyday(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    labels = {True: "unsafe", False: "safe"}
    right = sum(line["verdict"] == labels[line["unsafe"]] for line in lines)
    yield f"Everyday lines: {right} of {len(lines)} right."
    yield ""
    rows = [(line["text"], labels[line["unsafe"]], line["verdict"], format_number(line["score"])) for line in lines]
    yield from table(("line", "label", "verdict", "score"), rows)
