"""Intervals that hold what they promise, and the same numbers from the same seed."""

import numpy as np
import pytest

from guardcli.evaluation.metrics import Bootstrap, average_precision, paired_difference, percentile_interval
from guardcli.evaluation.metrics.arrays import RankedScores
from guardcli.evaluation.metrics.ranking import average_precisions


def drawn(rng, size):
    labels = rng.random(size) < 0.3
    return labels, rng.normal(size=size) + labels


def auprc_interval(labels, scores, *, num_resamples=400, seed=0):
    ranked = RankedScores.from_scores(labels, scores)
    spread = Bootstrap(len(labels), num_resamples=num_resamples, seed=seed).distribution(
        lambda w: average_precisions(ranked, w)
    )
    return percentile_interval(average_precision(labels, scores), spread)


@pytest.mark.slow
def test_intervals_cover_the_true_value():
    """Of 300 samples of 300 items each; a 95 % interval that covers in 90 to 99 % of them passes."""
    rng = np.random.default_rng(3)
    true = average_precision(*drawn(rng, 400_000))
    found = [auprc_interval(*drawn(rng, 300), seed=at) for at in range(300)]
    assert 0.90 <= np.mean([one.low <= true <= one.high for one in found]) <= 0.99


def test_a_seed_gives_the_same_interval_and_another_one_another():
    labels, scores = drawn(np.random.default_rng(4), 200)
    assert auprc_interval(labels, scores) == auprc_interval(labels, scores)
    assert auprc_interval(labels, scores) != auprc_interval(labels, scores, seed=1)


def test_weights_are_the_same_for_every_chunk_size():
    whole = [*Bootstrap(50, num_resamples=40, seed=7).chunks()]
    parts = Bootstrap(50, num_resamples=40, seed=7, chunk_cells=50 * 7)
    assert [len(part) for part in parts.chunks()] == [7, 7, 7, 7, 7, 5]
    assert np.array_equal(np.concatenate([*parts.chunks()]), whole[0])
    assert np.array_equal(np.concatenate([*parts.chunks()]), whole[0])
    assert (whole[0].sum(axis=1) == 50).all()


def test_parts_of_the_items_are_drawn_with_the_whole():
    bootstrap = Bootstrap(10, num_resamples=5, seed=0)
    (weights,) = bootstrap.chunks()
    found = bootstrap.distribution(lambda w: w.sum(axis=1), [2, 3])
    assert np.array_equal(found, weights[:, 2] + weights[:, 3])


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not():
    """The p-value of two systems that are alike is below 0.05 in about one of twenty samples."""
    rng = np.random.default_rng(8)
    below = 0
    for at in range(200):
        labels = rng.random(200) < 0.3
        scores = rng.normal(size=(2, 200)) + labels
        ranked = [RankedScores.from_scores(labels, one) for one in scores]
        spread = Bootstrap(200, num_resamples=200, seed=at).distribution(
            lambda w, ranked=ranked: average_precisions(ranked[0], w) - average_precisions(ranked[1], w)
        )
        below += paired_difference(0.0, spread)[1] < 0.05
    assert 1 <= below <= 22
    found, p = paired_difference(0.4, np.random.default_rng(0).normal(0.4, 0.1, 999))
    assert found.low == pytest.approx(0.2, abs=0.05)
    assert p == pytest.approx(2 / 1000)


def test_an_interval_of_one_sample_is_a_point_whatever_is_drawn_beside_it():
    spread = np.array([0.2, 0.5, 1.0])
    assert not percentile_interval(0.5, spread, smallest_class=2).is_point
    assert percentile_interval(0.5, spread, smallest_class=1).is_point
    assert percentile_interval(1.0, np.ones(3), smallest_class=9).is_point
    interval, p = paired_difference(0.5, spread, smallest_class=1)
    assert (interval.value, interval.is_point, p) == (0.5, True, None)


def test_a_figure_that_hardly_a_resample_has_has_no_interval():
    assert percentile_interval(0.5, np.array([np.nan, np.nan, 0.5])) is None
    assert paired_difference(0.5, np.array([np.nan, np.nan, 0.5])) == (None, None)
