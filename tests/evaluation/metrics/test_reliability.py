import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from guardcli.evaluation.metrics import ReliabilityBin, UndefinedMetric, reliability_diagram


def test_the_error_is_the_mean_distance_of_score_and_share():
    found = reliability_diagram([True, False, True, True], [0.05, 0.05, 0.95, 1.0], num_bins=10)
    assert found.bins == (
        ReliabilityBin(low=0.0, high=0.1, count=2, mean_score=0.05, fraction_unsafe=0.5),
        ReliabilityBin(low=0.9, high=1.0, count=2, mean_score=0.975, fraction_unsafe=1.0),
    )
    assert found.error == pytest.approx((2 * 0.45 + 2 * 0.025) / 4)


def test_scores_that_are_what_they_say_have_no_error():
    rng = np.random.default_rng(2)
    scores = rng.random(200_000)
    labels = rng.random(200_000) < scores
    found = reliability_diagram(labels, scores)
    assert found.error < 0.01
    assert found.brier == pytest.approx(brier_score_loss(labels, scores))
    assert reliability_diagram(labels, scores**3).error > 0.2


@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [([], [], "no items"), ([True], [1.5], "no probabilities"), ([True], [-0.1], "no probabilities")],
)
def test_where_there_is_none_it_says_why(labels, scores, reason):
    with pytest.raises(UndefinedMetric, match=reason):
        reliability_diagram(labels, scores)
