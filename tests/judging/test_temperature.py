"""Temperature scaling: the loss is the lowest, the order stays, and where no temperature fits it is refused."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as reference_log_loss

from guardcli.judging.temperature import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    apply_temperature,
    fit_temperature,
    log_loss,
    log_odds,
)

TEMPERATURES = st.floats(MIN_TEMPERATURE, MAX_TEMPERATURE)


def labeled(temperature: float, *, number: int = 2000) -> tuple[list[bool], list[float]]:
    """Scores whose log-odds are `temperature` times those by which the labels were drawn."""
    draw = random.Random(7)
    odds = [draw.gauss(-0.5, 2) for _ in range(number)]
    labels = [draw.random() < 1 / (1 + math.exp(-one)) for one in odds]
    return labels, [1 / (1 + math.exp(-one * temperature)) for one in odds]


@pytest.mark.parametrize("temperature", [0.2, 0.8, 1.0, 2.5, 8.0])
def test_the_temperature_is_found_again(temperature: float) -> None:
    labels, scores = labeled(temperature)
    assert fit_temperature(labels, scores) == pytest.approx(temperature, rel=0.1)


def test_the_same_as_a_logistic_regression_without_intercept() -> None:
    labels, scores = labeled(2.5)
    odds = np.array([[log_odds(score)] for score in scores])
    regression = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-10).fit(odds, labels)
    assert fit_temperature(labels, scores) == pytest.approx(1 / regression.coef_[0, 0], rel=1e-4)


def test_no_other_temperature_has_a_lower_loss() -> None:
    labels, scores = labeled(2.5)
    fitted = fit_temperature(labels, scores)
    best = log_loss(labels, scores, temperature=fitted)
    assert all(log_loss(labels, scores, temperature=fitted * factor) > best for factor in (0.5, 0.99, 1.01, 2, 7))
    assert log_loss(labels, scores) == pytest.approx(reference_log_loss(labels, scores))
    calibrated = [apply_temperature(score, fitted) for score in scores]
    assert best == pytest.approx(reference_log_loss(labels, calibrated))


def test_a_certain_score_that_is_wrong_costs_much_and_not_everything() -> None:
    labels, scores = labeled(1.0)
    surer = fit_temperature([*labels, False, True], [*scores, 1.0, 0.0])
    assert 1.1 * fit_temperature(labels, scores) < surer < 3
    assert log_loss([False], [1.0]) == pytest.approx(36)


@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [
        ([], [], "expected safe and unsafe records, got 0 and 0"),
        ([True, True], [0.9, 0.1], "expected safe and unsafe records, got 0 and 2"),
        ([True, False], [0.9, 0.1], "the scores are right about all records, or almost"),
        ([True, False], [0.1, 0.9], "the scores do not tell unsafe records from safe ones"),
        ([True, False], [0.5, 0.5], "the scores do not tell unsafe records from safe ones"),
    ],
)
def test_where_no_temperature_fits(labels: list[bool], scores: list[float], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}"):
        fit_temperature(labels, scores)


@given(st.floats(0, 1), st.floats(0, 1), TEMPERATURES)
def test_the_order_and_the_side_of_one_half_stay(one: float, other: float, temperature: float) -> None:
    low, high = sorted((one, other))
    calibrated = [apply_temperature(score, temperature) for score in (low, high)]
    assert 0 <= calibrated[0] <= calibrated[1] * (1 + 1e-12) <= 1 + 1e-12
    for score, changed in zip((low, high), calibrated, strict=True):
        assert (changed - 0.5) * (score - 0.5) >= 0


@given(st.floats(1e-9, 1 - 1e-9), st.floats(0.5, 20))
@example(1 - 1e-9, 0.91)
@example(1e-9, 0.5)
def test_it_can_be_undone(score: float, temperature: float) -> None:
    assume(log_odds(score) / temperature < 23)  # nearer to 1 than that, float64 has no digits left for it
    calibrated = apply_temperature(score, temperature)
    assert log_odds(apply_temperature(calibrated, 1 / temperature)) == pytest.approx(log_odds(score), abs=1e-5)


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
@given(TEMPERATURES)
def test_zero_one_half_and_one_stay(score: float, temperature: float) -> None:
    assert apply_temperature(score, temperature) == score


@given(st.floats(0, 1))
def test_a_temperature_of_one_changes_no_bit(score: float) -> None:
    assert apply_temperature(score, 1.0) == score
