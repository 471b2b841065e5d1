"""Scores are counted in bins of equal width, and none is lost."""

from __future__ import annotations

from guardcli.judging.histogram import NUM_BINS, ScoreHistogram


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
