"""Stored rows decided again: every way a threshold can move, and what only the model could tell."""

from __future__ import annotations

from typing import Any

import pytest

from guardcli.judging import DecisionRule, redecision

LABELS = {"S1": "pets", "S2": "S2", "S7": "food"}
IDS = {"pets": "S1", "S2": "S2", "dinner": "S7"}  # S7 had another key


def row(verdict: str, score: float | None, **fields: Any) -> dict[str, Any]:
    absent = {"listed_scores": None, "category_scores": None, "error": None, "turn": 1, "scoring": "verdict"}
    return {"verdict": verdict, "score": score, "threshold": 0.5, "categories": [], "flags": [], **absent, **fields}


def decided(before: dict[str, Any], threshold: float, **thresholds: float) -> dict[str, Any]:
    return redecision.redecide(before, DecisionRule(threshold, LABELS, thresholds), IDS)


@pytest.mark.parametrize(
    ("before", "threshold", "changed"),
    [
        (row("safe", 0.3), 0.5, {}),
        (row("safe", 0.3), 0.31, {}),
        (row("safe", 0.3), 0.3, {"verdict": "unsafe", "categories": None, "flags": ["categories_not_read"]}),
        (
            row("safe", 0.3, listed_scores={"pets": 0.2, "S2": 0.1, "dinner": 0.7}),
            0.2,
            {
                "verdict": "unsafe",
                "categories": ["food"],
                "flags": ["categories_not_read"],
                "listed_scores": {"pets": 0.2, "S2": 0.1, "food": 0.7},
            },
        ),
        (row("unsafe", 0.6, categories=["dinner", "pets"]), 0.5, {"categories": ["food", "pets"]}),
        (row("unsafe", 0.6, categories=["pets"]), 0.6, {}),
        (row("unsafe", 0.6, categories=["pets"]), 0.61, {"verdict": "safe", "categories": []}),
        (row("unsafe", 0.6, categories=None, flags=["categories_not_read"]), 0.55, {"categories": None, "flags": []}),
        (row("error", None, error="bad"), 0.1, {}),
    ],
)
def test_one_score(before: dict[str, Any], threshold: float, changed: dict[str, Any]) -> None:
    assert decided(before, threshold) == before | {"threshold": threshold} | changed


@pytest.mark.parametrize("reason", [{"flags": ["low_mass"]}, {"error": "message 2 could not be judged"}])
def test_what_was_not_judged_never_becomes_safe(reason: dict[str, Any]) -> None:
    before = row("unsafe", 0.6, categories=["pets"], **reason)
    assert decided(before, 0.55)["verdict"] == "unsafe"
    after = decided(before, 0.9)
    assert (after["verdict"], after["score"], after["categories"]) == ("error", None, [])
    assert after["error"]


SCORES = {"pets": 0.45, "S2": 0.3, "dinner": 0.6}


@pytest.mark.parametrize(
    ("thresholds", "verdict", "categories"),
    [
        ({}, "unsafe", ["food"]),
        ({"S2": 0.3}, "unsafe", ["food", "S2"]),
        ({"S7": 0.61}, "safe", []),
        ({"S1": 0.1, "S7": 0.9}, "unsafe", ["pets"]),
    ],
)
def test_scores_by_category(thresholds: dict[str, float], verdict: str, categories: list[str]) -> None:
    before = row("unsafe", 0.6, categories=["dinner"], category_scores=SCORES, scoring="each")
    after = decided(before, 0.5, **thresholds)
    assert (after["verdict"], after["categories"], after["score"]) == (verdict, categories, 0.6)
    assert after["category_scores"] == {"pets": 0.45, "S2": 0.3, "food": 0.6}
    assert after["flags"] == []


def test_thresholds_by_category_need_scores_by_category() -> None:
    with pytest.raises(ValueError, match="run again with --per-category"):
        decided(row("safe", 0.3), 0.5, S2=0.1)


@pytest.mark.parametrize(("threshold", "flags"), [(0.5, ["truncated", "near_threshold"]), (0.6, ["truncated"])])
def test_near_was_said_of_the_old_threshold(threshold: float, flags: list[str]) -> None:
    assert decided(row("safe", 0.3, flags=["truncated", "near_threshold"]), threshold)["flags"] == flags


def test_an_unknown_label() -> None:
    with pytest.raises(KeyError):
        redecision.redecide(row("unsafe", 0.6, categories=["odd"]), DecisionRule(0.5, LABELS), {})
