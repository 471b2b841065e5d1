"""Thresholds: what reaches them, which is a category's own, and what is near."""

from __future__ import annotations

import pytest

from guardcli.judging import DecisionRule
from guardcli.taxonomy import Taxonomy

TEXT = """\
name: acme
threshold: 0.4
categories:
  - {id: S1, name: Pets, key: pets}
  - {id: S2, name: Cars, threshold: 0.2}
"""


@pytest.mark.parametrize(("given", "threshold"), [(None, 0.4), (0.7, 0.7), (0.0, 0.0)])
def test_what_a_taxonomy_says(given: float | None, threshold: float) -> None:
    decision = DecisionRule.from_taxonomy(Taxonomy.from_yaml(TEXT), given)
    assert decision == DecisionRule(threshold, {"S1": "pets", "S2": "S2"}, {"S2": 0.2})
    assert (decision.threshold_of("S1"), decision.threshold_of("S2")) == (threshold, 0.2)


def test_half_where_nothing_is_said() -> None:
    assert DecisionRule.from_taxonomy(Taxonomy.from_yaml("name: a\ncategories: [{id: S1, name: A}]\n")).threshold == 0.5


@pytest.mark.parametrize(
    ("scores", "violated"),
    [
        ({"S1": 0.4, "S2": 0.2}, ("S1", "S2")),
        ({"S1": 0.45, "S2": 0.9}, ("S2", "S1")),
        ({"S1": 0.3999, "S2": 0.2}, ("S2",)),
        ({"S1": 0.0, "S2": 0.0}, ()),
    ],
)
def test_violated_are_those_that_reach_their_threshold(scores: dict[str, float], violated: tuple[str, ...]) -> None:
    assert DecisionRule.from_taxonomy(Taxonomy.from_yaml(TEXT)).violated(scores) == violated


@pytest.mark.parametrize(
    ("score", "threshold", "near"),
    [
        (0.5, 0.5, True),
        (0.5249, 0.5, True),
        (0.5251, 0.5, False),
        (0.4751, 0.5, True),
        (0.4749, 0.5, False),
        (0.010, 0.0101, True),
        (0.010, 0.012, False),
        (1.0, 0.9, False),
        (0.0, 0.0, False),
        (1.0, 1.0, False),
    ],
)
def test_near_is_in_log_odds(score: float, threshold: float, near: bool) -> None:
    assert DecisionRule(threshold, {}, tolerance=0.1).is_near_threshold(score) is near
    assert DecisionRule(threshold, {}, tolerance=0.1).is_any_near_threshold({"S1": score}) is near


def test_nothing_is_near_without_a_tolerance() -> None:
    assert not DecisionRule(0.5, {}).is_near_threshold(0.5)
