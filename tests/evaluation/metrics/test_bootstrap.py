"""Intervals that hold what they promise, and the same numbers from the same seed."""

import numpy as np
import pytest

from guardcli.evaluation.metrics import Resamples, average_precision, difference, interval
from guardcli.evaluation.metrics.arrays import Ranked
from guardcli.evaluation.metrics.ranking import average_precisions


def drawn(draw, size):
    labels = draw.random(size) < 0.3
    return labels, draw.normal(size=size) + labels


def auprc_interval(labels, scores, *, count=400, seed=0):
    ranked = Ranked.of(labels, scores)
    spread = Resamples(len(labels), count=count, seed=seed).distribution(lambda w: average_precisions(ranked, w))
    return interval(average_precision(labels, scores), spread)


def test_intervals_cover_the_true_value():
    """Of 300 samples of 300 items each; a 95 % interval that covers in 90 to 99 % of them passes."""
    draw = np.random.default_rng(3)
    true = average_precision(*drawn(draw, 400_000))
    found = [auprc_interval(*drawn(draw, 300), seed=at) for at in range(300)]
    assert 0.90 <= np.mean([one.low <= true <= one.high for one in found]) <= 0.99


def test_a_seed_gives_the_same_interval_and_another_one_another():
    labels, scores = drawn(np.random.default_rng(4), 200)
    assert auprc_interval(labels, scores) == auprc_interval(labels, scores)
    assert auprc_interval(labels, scores) != auprc_interval(labels, scores, seed=1)


def test_weights_are_the_same_at_every_call_however_many_are_held_at_a_time():
    whole = [*Resamples(50, count=40, seed=7).chunks()]
    parts = Resamples(50, count=40, seed=7, cells=50 * 7)
    assert [len(part) for part in parts.chunks()] == [7, 7, 7, 7, 7, 5]
    assert np.array_equal(np.concatenate([*parts.chunks()]), whole[0])
    assert np.array_equal(np.concatenate([*parts.chunks()]), whole[0])
    assert (whole[0].sum(axis=1) == 50).all()


def test_parts_of_the_items_are_drawn_with_the_whole():
    resamples = Resamples(10, count=5, seed=0)
    (weights,) = resamples.chunks()
    found = resamples.distribution(lambda w: w.sum(axis=1), [2, 3])
    assert np.array_equal(found, weights[:, 2] + weights[:, 3])


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not():
    """The p-value of two systems that are alike is below 0.05 in about one of twenty samples."""
    draw = np.random.default_rng(8)
    below = 0
    for at in range(200):
        labels = draw.random(200) < 0.3
        scores = draw.normal(size=(2, 200)) + labels
        ranked = [Ranked.of(labels, one) for one in scores]
        spread = Resamples(200, count=200, seed=at).distribution(
            lambda w, ranked=ranked: average_precisions(ranked[0], w) - average_precisions(ranked[1], w)
        )
        below += difference(0.0, spread)[1] < 0.05
    assert 1 <= below <= 22
    found, p = difference(0.4, np.random.default_rng(0).normal(0.4, 0.1, 999))
    assert found.low == pytest.approx(0.2, abs=0.05)
    assert p == pytest.approx(2 / 1000)


def test_a_figure_that_hardly_a_resample_has_has_no_interval():
    assert interval(0.5, np.array([np.nan, np.nan, 0.5])) is None
    assert difference(0.5, np.array([np.nan, np.nan, 0.5])) == (None, None)
