"""Wilson's interval, against values published for it and at its ends."""

from __future__ import annotations

import pytest

from guardcli.evaluation.metrics import wilson_interval


def test_published_values() -> None:
    # Newcombe (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for right, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)):
        interval = wilson_interval(right / trials, trials)
        assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_all_or_none_of_a_few_has_an_interval() -> None:
    none, every = wilson_interval(0.0, 20), wilson_interval(1.0, 20)
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(0.1611, abs=5e-5))
    assert (every.value, every.low, every.high) == (1.0, pytest.approx(0.8389, abs=5e-5), 1.0)
