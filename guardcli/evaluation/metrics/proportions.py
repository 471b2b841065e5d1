"""The confidence interval of a proportion."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

from guardcli.evaluation.metrics.bootstrap import LEVEL, Interval


def wilson_interval(share: float, num_trials: int) -> Interval:
    """A share in [0, 1] of at least one trial, with the score interval of Wilson (1927).

    Unlike a bootstrap's, it is not a single point if all trials or none succeed.
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    spread = z * sqrt(share * (1 - share) / num_trials + z**2 / (4 * num_trials**2))
    center, scale = share + z**2 / (2 * num_trials), 1 + z**2 / num_trials
    low, high = (center - spread) / scale, (center + spread) / scale
    return Interval(share, max(0.0, min(share, low)), min(1.0, max(share, high)))  # exact at 0 and 1, despite rounding
