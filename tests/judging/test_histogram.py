"""Scores are counted in bins of equal width, and none is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.judging.histogram import NUM_BINS, NUM_FINE_BINS, ScoreHistogram


def test_each_score_is_counted_in_its_bin() -> None:
    histogram = ScoreHistogram([0.0, 0.049, 0.05, 0.5, 0.999, 1.0])
    assert [(label, count) for label, count in histogram.bins() if count] == [
        ("0.00-0.05", 2),
        ("0.05-0.10", 1),
        ("0.50-0.55", 1),
        ("0.95-1.00", 2),
    ]
    assert (len(histogram.counts), histogram.total, histogram.max_count) == (NUM_BINS, 6, 2)


def test_scores_outside_0_to_1_are_counted_at_the_ends() -> None:
    counts = ScoreHistogram([-1.0, -1e-9, 2.0]).counts
    assert (counts[0], counts[-1]) == (2, 1)


@given(st.lists(st.floats(0, 1)), st.integers(0, NUM_FINE_BINS - 1))
def test_counts_from_are_what_a_threshold_flags(scores: list[float], index: int) -> None:
    counts = ScoreHistogram(scores, num_bins=NUM_FINE_BINS).counts_from()
    assert counts[index] == sum(score >= index / NUM_FINE_BINS for score in scores)


def test_a_score_with_few_decimals_is_in_the_bin_that_begins_with_it() -> None:
    for index in range(NUM_FINE_BINS):
        assert ScoreHistogram([float(f"{index / NUM_FINE_BINS:.3f}")], num_bins=NUM_FINE_BINS).counts[index] == 1


@given(st.lists(st.floats(-1, 2)))
def test_rebinning_is_counting_in_fewer_bins(scores: list[float]) -> None:
    assert ScoreHistogram(scores, num_bins=NUM_FINE_BINS).rebinned().counts == ScoreHistogram(scores).counts


def test_bins_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be 3"):
        ScoreHistogram().rebinned(3)
