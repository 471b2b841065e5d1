"""Limits and shards as options' values."""

from __future__ import annotations

from fractions import Fraction

import click
import pytest

from guardcli.cli.limits import CountOrFraction, CountOrFractionOption
from guardcli.cli.probability import Probability


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", CountOrFraction(0)),
        ("0%", CountOrFraction(0)),
        ("0.1%", CountOrFraction(Fraction("0.001"))),
        ("0.25", CountOrFraction(Fraction("0.25"))),
        ("100%", CountOrFraction(1)),
        ("30%", CountOrFraction(Fraction("0.3"))),
        ("0.3", CountOrFraction(Fraction("0.3"))),
        (" 30 % ", CountOrFraction(Fraction("0.3"))),
        ("1e-3", CountOrFraction(Fraction("0.001"))),
        ("1", CountOrFraction(1, is_count=True)),
        ("25", CountOrFraction(25, is_count=True)),
    ],
)
def test_counts_and_fractions(text: str, limit: CountOrFraction) -> None:
    assert CountOrFractionOption().convert(text, None, None) == limit


@pytest.mark.parametrize(
    "text", ["-1", "1.5", "1.0", "x", "101%", "nan", "inf", "1e400", "1e400%", "", "%", "1_0", "\uff12"]
)
def test_invalid_limits(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"^invalid limit .*; expected a number of rows"):
        CountOrFractionOption().convert(text, None, None)


@pytest.mark.parametrize(
    ("count", "total", "limit", "exceeded"),
    [
        (0, 10, CountOrFraction(0), False),
        (1, 10, CountOrFraction(0), True),
        (1, 10, CountOrFraction(Fraction("0.1")), False),
        (2, 10, CountOrFraction(Fraction("0.1")), True),
        (10, 10, CountOrFraction(1), False),
        (5, 9, CountOrFraction(5, is_count=True), False),
        (29, 100, CountOrFraction(Fraction("0.29")), False),  # 0.29 * 100 is less than 29 as a float
        (30, 100, CountOrFraction(Fraction("0.29")), True),
        (6, 9, CountOrFraction(5, is_count=True), True),
        (1, 9, CountOrFraction(1, is_count=True), False),
        (2, 9, CountOrFraction(1, is_count=True), True),
    ],
)
def test_exceeded(count: int, total: int, limit: CountOrFraction, exceeded: bool) -> None:
    assert limit.is_exceeded(count, total) is exceeded


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0.0), ("1", 1.0), ("0.3", 0.3), ("30%", 0.3), ("100%", 1.0), (".5", 0.5), ("1e-9", 1e-9)]
)
def test_probabilities(text: str, number: float) -> None:
    assert Probability().convert(text, None, None) == number


@pytest.mark.parametrize("text", ["-0.1", "1.01", "101%", "nan", "inf", "x", ""])
def test_invalid_probabilities(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"^invalid value .*; expected a number from 0 to 1"):
        Probability().convert(text, None, None)
