"""The option value of probabilities and thresholds."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from guardcli.cli.options import ParsedOption

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e-?[0-9]{1,3})?", re.IGNORECASE)


class Probability(ParsedOption[float]):
    """A number in [0, 1], also in percent: `0.3` and `30%`."""

    name = "probability"

    def parse(self, text: str) -> float:
        fraction = parse_fraction(text)
        if fraction is None:
            raise ValueError(f"invalid value {text!r}; expected a number from 0 to 1, or a percentage such as 30%")
        return float(fraction)


def parse_fraction(text: str) -> Fraction | None:
    """Return a part of a whole; None if the text is none.

    >>> parse_fraction("0.3"), parse_fraction("30%"), parse_fraction("1.5"), parse_fraction("nan")
    (Fraction(3, 10), Fraction(3, 10), None, None)
    """
    number = text.strip()
    is_percent = number.endswith("%")
    number = number.removesuffix("%").rstrip()
    if not _NUMBER.fullmatch(number):
        return None
    fraction = Fraction(Decimal(number)) / (100 if is_percent else 1)
    return fraction if fraction <= 1 else None
