import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.evaluation.metrics import ConfusionMatrix, ThresholdObjective, UndefinedMetric, choose_threshold
from guardcli.evaluation.metrics.thresholds import shortest_decimal

OBJECTIVES = [
    ThresholdObjective("f1"),
    ThresholdObjective("fpr", 0.05),
    ThresholdObjective("fpr", 0.0),
    ThresholdObjective("precision", 0.9),
    ThresholdObjective("recall", 0.8),
    ThresholdObjective("recall", 1.0),
]


def kept(counts, objective):
    if objective.metric == "f1":
        return True
    value = getattr(counts, objective.metric)
    return value is not None and (value <= objective.target if objective.metric == "fpr" else value >= objective.target)


def gain(counts, objective):
    """What is wanted of those that meet the target."""
    return {"f1": counts.f1, "recall": -(counts.fpr or 0)}.get(objective.metric, counts.recall)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_no_other_threshold_does_better(objective):
    rng = np.random.default_rng(1)
    for at in range(200):
        labels = rng.random(40) < 0.4
        labels[:2] = True, False
        scores = np.round(rng.random(40) * 0.7 + labels * 0.3, 1 + at % 3)
        others = [ConfusionMatrix.from_predictions(labels, scores >= threshold) for threshold in np.unique(scores)]
        good = [counts for counts in others if kept(counts, objective)]
        choice = choose_threshold(labels, scores, objective)
        if choice is None:
            assert not good
        else:
            assert choice.confusion == ConfusionMatrix.from_predictions(labels, scores >= choice.threshold)
            assert kept(choice.confusion, objective)
            assert gain(choice.confusion, objective) == max(gain(counts, objective) for counts in good)


def test_a_promise_that_cannot_be_kept_has_no_threshold():
    assert choose_threshold([False, True], [0.9, 0.1], ThresholdObjective("precision", 0.9)) is None


def test_no_threshold_is_chosen_for_one_class():
    with pytest.raises(UndefinedMetric):
        choose_threshold([True], [0.5], ThresholdObjective("f1"))


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_threshold_is_between_two_scores(one, other):
    below, score = sorted((one, other))
    if below < score:
        assert below < shortest_decimal(below, score) <= score


def test_scores_without_bounds_have_thresholds_too() -> None:
    assert shortest_decimal(-1e308, 1e308) == 1e308
    choice = choose_threshold([True, False], [0.99999999999, 0.99999999998], ThresholdObjective("f1"))
    assert choice is not None
    assert 0.99999999998 < choice.threshold <= 0.99999999999


def test_a_threshold_is_short():
    choice = [
        shortest_decimal(0.31, 0.42),
        shortest_decimal(0.4121, 0.4129),
        shortest_decimal(-1, 0.05),
        shortest_decimal(0.999, 1.0),
    ]
    assert choice == [0.4, 0.4129, 0.0, 1.0]
