"""Option values that are parts of a total: a limit (`0.1%`, `0.001`, `25` rows) and a shard (`2/8`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from guardcli.audit import Shard
from guardcli.cli.options import ParsedOption


@dataclass(frozen=True, slots=True)
class CountOrFraction:
    """A limit on a part of a total: a count, or a fraction in [0, 1]."""

    value: float
    is_count: bool = False

    def is_exceeded(self, count: int, total: int) -> bool:
        """Return whether `count` of `total` is more than the limit allows.

        >>> CountOrFraction(0.1).is_exceeded(2, 10), CountOrFraction(5, is_count=True).is_exceeded(5, 9)
        (True, False)
        """
        return count > (self.value if self.is_count else self.value * total)


class CountOrFractionOption(ParsedOption[CountOrFraction]):
    """`0.1%` and `0.001` are fractions, `25` is a count, and so is `1`; `0` allows none."""

    name = "share"

    def parse(self, text: str) -> CountOrFraction:
        text = text.strip()
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            number = math.nan
        if text.endswith("%") and 0 <= number <= 100:
            return CountOrFraction(number / 100)
        if not text.endswith("%") and 0 <= number < 1:
            return CountOrFraction(number)
        if not text.endswith("%") and math.isfinite(number) and number >= 1 and number == int(number):
            return CountOrFraction(number, is_count=True)
        raise ValueError(f"{text!r} is no share: write 0.1%, 0.001, or a number of rows")


class ShardOption(ParsedOption[Shard]):
    """`2/8` is the second of eight."""

    name = "shard"

    def parse(self, text: str) -> Shard:
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise ValueError(f"{text!r} is no shard: write 2/8 for the second of eight")
        return Shard(int(number), int(count))
