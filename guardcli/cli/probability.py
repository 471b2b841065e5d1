"""The option value of probabilities and thresholds."""

from __future__ import annotations

import math
from typing import Any

import click


class Probability(click.FloatRange):
    """A number in [0, 1]. click's own range accepts NaN, with which nothing would ever be unsafe."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number
