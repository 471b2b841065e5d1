"""Parts of a whole as options' values: a limit (`0.1%`, `0.001`, `25` rows), and which shard of how many (`2/8`)."""

from __future__ import annotations

import math
from typing import Any

import click

from guardcli.audit import Shard
from guardcli.cli.options import ParsedOption


class Share(click.ParamType[float]):
    """A share is below 1, a number of rows is 1 or more, and negative as a value: -25 stands for 25 rows."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            self.fail(f"{value!r} is no share: write 0.1%, 0.001, or a number of rows", param, ctx)
        if text.endswith("%") and 0 <= number <= 100:
            return number / 100
        if 0 <= number < 1:
            return number
        if not (math.isfinite(number) and number >= 1 and number == int(number) and not text.endswith("%")):
            self.fail(f"{value!r} is no share: write 0.1%, 0.001, or a number of rows", param, ctx)
        return -number

    @staticmethod
    def exceeded(number: int, total: int, limit: float) -> bool:
        """Whether so many of a total are more than the limit."""
        return number > -limit if limit < 0 else number > limit * total


class ShardOption(ParsedOption[Shard]):
    """`2/8` is the second of eight."""

    name = "shard"

    def parse(self, text: str) -> Shard:
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise ValueError(f"{text!r} is no shard: write 2/8 for the second of eight")
        return Shard(int(number), int(of))
