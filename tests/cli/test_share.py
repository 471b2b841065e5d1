"""Limits and shards as options' values."""

from __future__ import annotations

import click
import pytest

from guardcli.audit import Shard
from guardcli.cli.share import ShardOption, Share


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0.0), ("0.1%", 0.001), ("100%", 1.0), ("0.25", 0.25), ("1", -1.0), ("25", -25.0), ("0%", 0.0)],
)
def test_shares(text: str, value: float) -> None:
    assert Share().convert(text, None, None) == value


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "101%", "nan", "inf", "1e400", "1e400%", ""])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no share"):
        Share().convert(text, None, None)


@pytest.mark.parametrize(
    ("number", "total", "limit", "exceeded"),
    [
        (0, 10, 0.0, False),
        (1, 10, 0.0, True),
        (1, 10, 0.1, False),
        (2, 10, 0.1, True),
        (5, 9, -5.0, False),
        (6, 9, -5.0, True),
    ],
)
def test_exceeded(number: int, total: int, limit: float, exceeded: bool) -> None:
    assert Share.exceeded(number, total, limit) is exceeded


def test_shards_are_disjoint_and_complete() -> None:
    shards = [ShardOption().convert(f"{number}/3", None, None) for number in (1, 2, 3)]
    assert shards[1] == Shard(2, 3)
    for unit in range(100):
        assert sum(shard.takes(unit) for shard in shards) == 1
