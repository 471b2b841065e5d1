"""Option values that are parts of a total: a limit (`25` rows, `0.3`, `30%`) and a shard (`2/8`)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from guardcli.audit import Shard
from guardcli.cli.options import ParsedOption
from guardcli.cli.probability import parse_fraction


@dataclass(frozen=True, slots=True)
class CountOrFraction:
    """A limit on a part of a total: a count, or a fraction in [0, 1], exact."""

    value: Fraction | int
    is_count: bool = False

    def is_exceeded(self, count: int, total: int) -> bool:
        """Return whether `count` of `total` is more than the limit allows.

        >>> CountOrFraction(Fraction("0.29")).is_exceeded(29, 100), CountOrFraction(5, is_count=True).is_exceeded(6, 9)
        (False, True)
        """
        return count > (self.value if self.is_count else self.value * total)


class CountOrFractionOption(ParsedOption[CountOrFraction]):
    """`25` is a count, and so is `1`; `0.3`, `30%` and `100%` are fractions; `0` allows none."""

    name = "limit"

    def parse(self, text: str) -> CountOrFraction:
        text = text.strip()
        if text.isascii() and text.isdecimal():
            return CountOrFraction(int(text), is_count=int(text) > 0)
        fraction = parse_fraction(text)
        if fraction is None or (fraction == 1 and "%" not in text):
            raise ValueError(f"invalid limit {text!r}; expected a number of rows (25), a fraction (0.3) or 30%")
        return CountOrFraction(fraction)


class ShardOption(ParsedOption[Shard]):
    """`2/8` is the second of eight."""

    name = "shard"

    def parse(self, text: str) -> Shard:
        return Shard.parse(text)
