"""Seconds of several ways to do something, in interleaved rounds: medians, and ratios to one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Timed:
    """The seconds of each way, a number a round."""

    seconds: Mapping[str, list[float]]

    def against(self, base: str) -> dict[str, dict[str, float]]:
        """For each way its median in milliseconds, and the median of its ratios to `base` in the same round."""
        return {
            name: {
                "milliseconds": round(1000 * median(values), 1),
                "ratio": round(median(v / b for v, b in zip(values, self.seconds[base], strict=True)), 2),
            }
            for name, values in self.seconds.items()
        }


def interleaved(
    ways: Mapping[str, Callable[[], object]], rounds: int, *, clock: Callable[[], float] = time.perf_counter
) -> Timed:
    """Do each way once a round, after one round that does not count. `clock` tells seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = clock()
            way()
            if number:
                seconds[name].append(clock() - start)
    return Timed(seconds)
