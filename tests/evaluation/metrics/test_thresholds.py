import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.evaluation.metrics import Aim, Counts, NoFigure, choose
from guardcli.evaluation.metrics.thresholds import shortest

AIMS = [Aim("f1"), Aim("fpr", 0.05), Aim("fpr", 0.0), Aim("precision", 0.9), Aim("recall", 0.8), Aim("recall", 1.0)]


def kept(counts, aim):
    if aim.wish == "f1":
        return True
    value = getattr(counts, aim.wish)
    return value is not None and (value <= aim.limit if aim.wish == "fpr" else value >= aim.limit)


def gain(counts, aim):
    """What is wanted of those that keep the promise."""
    return {"f1": counts.f1, "recall": -(counts.fpr or 0)}.get(aim.wish, counts.recall)


@pytest.mark.parametrize("aim", AIMS, ids=lambda aim: aim.words)
def test_no_other_threshold_does_better(aim):
    draw = np.random.default_rng(1)
    for at in range(200):
        labels = draw.random(40) < 0.4
        labels[:2] = True, False
        scores = np.round(draw.random(40) * 0.7 + labels * 0.3, 1 + at % 3)
        others = [Counts.of(labels, scores >= threshold) for threshold in np.unique(scores)]
        good = [counts for counts in others if kept(counts, aim)]
        found = choose(labels, scores, aim)
        if found is None:
            assert not good
        else:
            assert found.counts == Counts.of(labels, scores >= found.threshold)
            assert kept(found.counts, aim)
            assert gain(found.counts, aim) == max(gain(counts, aim) for counts in good)


def test_a_promise_that_cannot_be_kept_has_no_threshold():
    assert choose([False, True], [0.9, 0.1], Aim("precision", 0.9)) is None


def test_one_class_is_no_choice():
    with pytest.raises(NoFigure):
        choose([True], [0.5], Aim("f1"))


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_threshold_stands_between_two_scores(one, other):
    below, score = sorted((one, other))
    if below < score:
        assert below < shortest(below, score) <= score


def test_scores_without_bounds_have_thresholds_too() -> None:
    assert shortest(-1e308, 1e308) == 1e308
    found = choose([True, False], [0.99999999999, 0.99999999998], Aim("f1"))
    assert found is not None
    assert 0.99999999998 < found.threshold <= 0.99999999999


def test_a_threshold_is_short():
    found = [shortest(0.31, 0.42), shortest(0.4121, 0.4129), shortest(-1, 0.05), shortest(0.999, 1.0)]
    assert found == [0.4, 0.4129, 0.0, 1.0]
