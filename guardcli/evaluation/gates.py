"""A bound on a metric that a system must meet, such as an AUPRC of at least 0.9, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GateSide = Literal["min", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """A gate, and what a system reached.

    Attributes:
        metric: The name of the metric for people.
        side: "min" if the metric must reach the limit, "max" if it must not exceed it.
        value: None if the metric is undefined, such as the precision of a system that flags nothing.
    """

    system: str
    metric: str
    side: GateSide
    limit: float
    value: float | None

    @property
    def passed(self) -> bool:
        """Whether the system meets the gate; an undefined metric does not."""
        if self.value is None:
            return False
        return self.value >= self.limit if self.side == "min" else self.value <= self.limit

    def describe_miss(self) -> str:
        """What is wrong, in a line."""
        if self.value is None:
            return f"{self.system}: {self.metric} is undefined here, but there is a limit for it"
        side = "below" if self.side == "min" else "above"
        return f"{self.system}: {self.metric} is {self.value:.4f}, {side} {self.limit:g}"
