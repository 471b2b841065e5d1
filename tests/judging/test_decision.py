"""The decision: thresholds, what is near, which turn decides, and that nothing unjudged becomes safe."""

from __future__ import annotations

import math
from typing import Any

import pytest

from guardcli.judging import Decision, DecisionRule, Scores, TurnScores, decide
from guardcli.judging.decision import is_near
from guardcli.taxonomy import Taxonomy

TEXT = """\
name: acme
threshold: 0.4
categories:
  - {id: S1, name: Pets, key: pets}
  - {id: S2, name: Cars, threshold: 0.2}
"""


def turn(number: int, score: float | None, **fields: Any) -> TurnScores:
    return TurnScores(turn=number, role="user", score=score, **fields)


def decided(*turns: TurnScores, rule: DecisionRule | None = None, **fields: Any) -> Decision:
    scores = Scores(turns=turns, tolerance=fields.pop("tolerance", 0.0), **fields)
    return decide(scores, rule or DecisionRule(0.5))


@pytest.mark.parametrize(("given", "threshold"), [(None, 0.4), (0.7, 0.7), (0.0, 0.0)])
def test_rule_of_a_taxonomy(given: float | None, threshold: float) -> None:
    rule = DecisionRule.from_taxonomy(Taxonomy.from_yaml(TEXT), given)
    assert rule == DecisionRule(threshold, {"S2": 0.2})
    assert (rule.threshold_of("pets"), rule.threshold_of("S2")) == (threshold, 0.2)


def test_default_threshold() -> None:
    assert DecisionRule.from_taxonomy(Taxonomy.from_yaml("name: a\ncategories: [{id: S1, name: A}]\n")).threshold == 0.5


@pytest.mark.parametrize(
    ("scores", "violated"),
    [
        ({"pets": 0.4, "S2": 0.2}, ("pets", "S2")),
        ({"pets": 0.45, "S2": 0.9}, ("S2", "pets")),
        ({"pets": 0.3999, "S2": 0.2}, ("S2",)),
        ({"pets": 0.0, "S2": 0.0}, ()),
    ],
)
def test_violated_categories(scores: dict[str, float], violated: tuple[str, ...]) -> None:
    assert DecisionRule.from_taxonomy(Taxonomy.from_yaml(TEXT)).violated(scores) == violated


@pytest.mark.parametrize(("score", "verdict"), [(0.4, "unsafe"), (math.nextafter(0.4, 0), "safe")])
def test_a_score_that_reaches_the_threshold_is_unsafe(score: float, verdict: str) -> None:
    for scores in (turn(1, score), turn(1, score, category_scores={"S1": score})):
        assert decided(scores, rule=DecisionRule(0.4)).verdict == verdict


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
    rule = DecisionRule(threshold)
    assert is_near(turn(1, score), rule, 0.1) is near
    assert is_near(turn(1, score, category_scores={"S1": score}), rule, 0.1) is near
    flags = decided(turn(1, score, listed=("S1",)), rule=rule, tolerance=0.1).flags
    assert flags == (("near_threshold",) if near else ())


def test_a_score_exactly_the_tolerance_away_is_near() -> None:
    """The log-odds of one half are zero, and so those of the other score are the distance."""
    distance = math.log(0.75) - math.log1p(-0.75)
    for scores in (turn(1, 0.75), turn(1, 0.75, category_scores={"S1": 0.75})):
        assert is_near(scores, DecisionRule(0.5), distance)
        assert not is_near(scores, DecisionRule(0.5), math.nextafter(distance, 0))


@pytest.mark.parametrize("temperature", [0.5, 3.0])
@pytest.mark.parametrize("factor", [-1.01, -0.99, 0.99, 1.01])
def test_near_is_the_same_for_raw_and_calibrated_scores(temperature: float, factor: float) -> None:
    """A temperature divides the tolerance, too: what may move past the threshold is the raw score."""
    rule = DecisionRule(0.3, temperature=temperature)
    raw = DecisionRule(rule.raw_threshold)
    odds = math.log(raw.threshold / (1 - raw.threshold)) + 0.1 * factor
    score = 1 / (1 + math.exp(-odds))
    for scores in (turn(1, score), turn(1, score, category_scores={"S1": score})):
        assert is_near(scores, rule, 0.1) is is_near(scores, raw, 0.1) is (abs(factor) < 1)


@pytest.mark.parametrize(("score", "verdict"), [(0.26, "safe"), (0.27, "unsafe")])
def test_thresholds_are_for_calibrated_scores(score: float, verdict: str) -> None:
    rule = DecisionRule(0.4, temperature=2.5)
    for scores in (turn(1, score), turn(1, score, category_scores={"S1": score})):
        decision = decided(scores, rule=rule)
        assert (decision.verdict, decision.score) == (verdict, score)
        assert decision.calibrated == pytest.approx(1 / (1 + (1 / score - 1) ** (1 / 2.5)))
    assert decided(turn(1, score), rule=DecisionRule(0.4)).calibrated is None


@pytest.mark.parametrize("tolerance", [0.0, None])
def test_nothing_is_near_without_a_tolerance(tolerance: float | None) -> None:
    flags = decided(turn(1, 0.5, listed=("S1",)), tolerance=tolerance).flags
    assert flags == (() if tolerance == 0.0 else ("tolerance_unknown",))


def test_highest_score_decides() -> None:
    unsafe = decided(turn(1, 0.6, listed=("S1", "S2")), turn(2, 0.1), turn(3, 0.9, listed=("S7", "S1")))
    assert (unsafe.verdict, unsafe.turn.turn, unsafe.score) == ("unsafe", 3, 0.9)
    assert unsafe.categories == ("S7", "S1", "S2")
    safe = decided(turn(1, 0.1), turn(2, 0.4), turn(3, 0.4))
    assert (safe.verdict, safe.turn.turn, safe.score, safe.categories, safe.error) == ("safe", 2, 0.4, (), None)


def test_only_the_deciding_score_may_be_near() -> None:
    assert decided(turn(1, 0.49), turn(2, 0.9, listed=("S1",)), tolerance=0.1).flags == ()
    assert decided(turn(1, 0.1), turn(2, 0.51, listed=("S1",)), tolerance=0.1).flags == ("near_threshold",)


def test_unjudged_turn_is_never_safe_but_may_be_unsafe() -> None:
    failed = turn(2, None, error="no text", error_code="record/nothing-to-judge")
    error = decided(turn(1, 0.4), failed)
    assert (error.verdict, error.turn.turn, error.score, error.error) == ("error", 2, None, "no text")
    assert error.error_code == "record/nothing-to-judge"
    unsafe = decided(turn(1, 0.6, listed=("S1",)), failed)
    assert (unsafe.verdict, unsafe.turn.turn, unsafe.error) == ("unsafe", 1, "no text")
    assert unsafe.error_code == "record/nothing-to-judge"


def test_low_mass_is_never_safe_without_allow_unverified_model() -> None:
    low = turn(1, 0.4, mass=0.3, low_mass=True)
    error = decided(low)
    assert (error.verdict, error.score, error.flags, error.categories) == ("error", 0.4, ("low_mass",), ())
    assert error.error_code == "record/no-verdict"
    assert error.error == ("the model did not answer with a verdict: P(safe) + P(unsafe) is 0.3")
    assert decided(low, rule=DecisionRule(0.4)).verdict == "unsafe"
    forced = decided(low, forced=True)
    assert (forced.verdict, forced.flags, forced.error) == ("safe", ("low_mass", "forced"), None)
    assert decided(turn(1, 0.4), forced=True).flags == ()


def test_categories_that_were_not_read() -> None:
    rule = DecisionRule(0.2)
    assert decided(turn(1, 0.3), rule=rule).categories is None
    guessed = decided(turn(1, 0.3, listed_scores={"S1": 0.2, "S2": 0.8}), rule=rule)
    assert (guessed.categories, guessed.flags) == (("S2",), ("categories_not_read",))
    some = decided(turn(1, 0.3), turn(2, 0.9, listed=("S1",)), rule=rule)
    assert (some.categories, some.flags) == (("S1",), ("categories_not_read",))


def test_scores_by_category() -> None:
    first = turn(1, 0.49, category_scores={"S1": 0.49, "S2": 0.1})
    second = turn(2, 0.4, category_scores={"S1": 0.1, "S2": 0.4})
    rule = DecisionRule(0.5, {"S2": 0.2})
    both = decided(first, second, rule=rule)
    assert (both.verdict, both.turn.turn, both.score, both.categories) == ("unsafe", 2, 0.49, ("S2",))
    assert both.category_scores == {"S1": 0.49, "S2": 0.4}
    partial = turn(1, 0.1, category_scores={"S1": 0.1}, error="not finite", error_code="model/not-finite")
    error = decided(partial)
    assert (error.verdict, error.error_code) == ("error", "model/not-finite")
    assert decided(partial, rule=DecisionRule(0.1)).verdict == "unsafe"


def test_thresholds_by_category_need_scores_by_category() -> None:
    with pytest.raises(ValueError, match=r"run again with JudgeConfig\.per_category"):
        decided(turn(1, 0.3), rule=DecisionRule(0.5, {"S2": 0.1}))
