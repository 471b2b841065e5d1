"""Limits and shards as options' values."""

from __future__ import annotations

import click
import pytest

from guardcli.cli.limits import CountOrFraction, CountOrFractionOption


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", CountOrFraction(0)),
        ("0%", CountOrFraction(0)),
        ("0.1%", CountOrFraction(0.001)),
        ("0.25", CountOrFraction(0.25)),
        ("100%", CountOrFraction(1)),
        ("1", CountOrFraction(1, is_count=True)),
        ("25", CountOrFraction(25, is_count=True)),
    ],
)
def test_counts_and_fractions(text: str, limit: CountOrFraction) -> None:
    assert CountOrFractionOption().convert(text, None, None) == limit


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "101%", "nan", "inf", "1e400", "1e400%", ""])
def test_invalid_limits(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no share"):
        CountOrFractionOption().convert(text, None, None)


@pytest.mark.parametrize(
    ("count", "total", "limit", "exceeded"),
    [
        (0, 10, CountOrFraction(0), False),
        (1, 10, CountOrFraction(0), True),
        (1, 10, CountOrFraction(0.1), False),
        (2, 10, CountOrFraction(0.1), True),
        (10, 10, CountOrFraction(1), False),
        (5, 9, CountOrFraction(5, is_count=True), False),
        (6, 9, CountOrFraction(5, is_count=True), True),
        (1, 9, CountOrFraction(1, is_count=True), False),
        (2, 9, CountOrFraction(1, is_count=True), True),
    ],
)
def test_exceeded(count: int, total: int, limit: CountOrFraction, exceeded: bool) -> None:
    assert limit.is_exceeded(count, total) is exceeded
