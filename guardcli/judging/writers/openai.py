"""A verdict as an OpenAI moderation result, its categories being the taxonomy's.

An error has no result at all: `flagged: false` would say that something was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from guardcli.errors import as_options
from guardcli.judging.writers.jsonl import dumps

if TYPE_CHECKING:
    from guardcli.judging.verdict import Verdict


def line(verdict: Verdict) -> str:
    """One moderation object. A category's score is P(unsafe) times the probability that it is listed first, or its own
    where each was scored by itself; P(unsafe) is calibrated if the row is."""
    answer: dict[str, Any] = {"id": _id(verdict), "model": verdict.provenance.model}
    if verdict.verdict == "error":
        error = {"type": "unjudged", "code": verdict.error_code, "message": as_options(verdict.error or "")}
        return dumps(answer | {"results": [], "error": error})
    labels = list(verdict.provenance.labels.values())
    result = {
        "flagged": verdict.verdict == "unsafe",
        "categories": {label: label in (verdict.categories or ()) for label in labels},
        "category_scores": _scores(verdict, labels),
    }
    return dumps(answer | {"results": [result]})


def _scores(verdict: Verdict, labels: Sequence[str]) -> dict[str, float]:
    by_category = verdict.judged_category_scores
    if by_category is not None:
        return {label: by_category.get(label, 0.0) for label in labels}
    shares = verdict.listed_scores or {}
    return {label: (verdict.judged_score or 0.0) * shares.get(label, 0.0) for label in labels}


def _id(verdict: Verdict) -> str:
    return verdict.key.id or verdict.key.location
