"""Durations for a person."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Format a duration as hours, minutes and whole seconds; what is left of a second is cut off.

    >>> clock(3725.9)
    '1:02:05'
    """
    whole = int(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
