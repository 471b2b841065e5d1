"""Decide stored rows again with other thresholds, without the model.

Categories of a message that was safe before may never have been read from the model; then the row has a flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guardcli.judging.decision import DecisionRule
from guardcli.judging.reader import VerdictRow

NOT_READ = "categories_not_read"

_NOT_A_VERDICT = "the model was about to answer with something else than a verdict, and below the threshold that counts"


def redecide(row: VerdictRow, decision: DecisionRule, ids: Mapping[str, str]) -> dict[str, Any]:
    """The row as `decision` has it. `ids` gives the category id behind each label that the row uses.

    The verdict is exact. Where several messages were judged together, `categories` and `turn` of a row that stays
    unsafe are still those of the old thresholds.

    Raises:
        KeyError: a label that `ids` lacks.
        ValueError: thresholds by category, and the row has no score for each.
    """
    labels = {label: decision.labels[id_] for label, id_ in ids.items()}
    renamed = {name: _renamed(row.get(name), labels) for name in ("listed_scores", "category_scores")}
    decided = {**row, **renamed, "threshold": decision.threshold, "flags": _flags(row, decision)}
    if row["verdict"] == "error" or row["score"] is None:
        return decided
    if row["scoring"] == "each":
        scores = {ids[label]: score for label, score in row["category_scores"].items()}
        violated = decision.violated(scores)
        categories: list[str] | None = [decision.labels[id_] for id_ in violated]
        unsafe = bool(violated)
    elif decision.thresholds:
        raise ValueError("a threshold by category needs a score for each: run again with --per-category")
    else:
        unsafe = decision.is_unsafe(row["score"])
        categories = _categories(row, labels) if unsafe else []
    decided |= {"verdict": "unsafe" if unsafe else "safe", "categories": categories}
    if unsafe and row["verdict"] == "safe" and row["scoring"] != "each":
        decided["flags"] = [*decided["flags"], NOT_READ]
    return _fail_closed(decided) if row["verdict"] == "unsafe" and not unsafe else decided


def _categories(row: VerdictRow, labels: Mapping[str, str]) -> list[str] | None:
    """The categories of an unsafe row; for one that was safe the most probable first one, None if it was not read."""
    if row["verdict"] == "unsafe" and row["categories"] is not None:
        return [labels[label] for label in row["categories"]]
    listed = row.get("listed_scores")
    return [labels[max(listed, key=lambda label: float(listed[label]))]] if listed else None


def _flags(row: VerdictRow, decision: DecisionRule) -> list[str]:
    """The flags that do not depend on the old threshold."""
    gone = {NOT_READ} | ({"near_threshold"} if row["threshold"] != decision.threshold or decision.thresholds else set())
    return [flag for flag in row["flags"] if flag not in gone]


def _fail_closed(row: dict[str, Any]) -> dict[str, Any]:
    """A row that becomes safe; an error instead if a part of it was not judged, or not answered with a verdict."""
    if row["error"] is None and "low_mass" not in row["flags"]:
        return row
    nothing: dict[str, Any] = {"score": None, "listed_scores": None, "category_scores": None, "categories": []}
    return {**row, **nothing, "verdict": "error", "error": row["error"] or _NOT_A_VERDICT}


def _renamed(scores: Mapping[str, float] | None, labels: Mapping[str, str]) -> dict[str, float] | None:
    return None if scores is None else {labels[label]: score for label, score in scores.items()}
