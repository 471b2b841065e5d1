"""Tables in Markdown, and how figures stand in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def format_number(value: float | None) -> str:
    """Three decimals; nothing for None."""
    return "" if value is None else f"{value:.3f}"


def format_interval(interval: Sequence[float | None] | None) -> str:
    """A value with the ends of its interval, if they are known; nothing for None."""
    if interval is None:
        return ""
    value, low, high = interval
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f}, {high:.3f})"


def format_percent(interval: Sequence[float] | None) -> str:
    """A share with the ends of its interval, in percent; nothing for None."""
    return "" if interval is None else f"{interval[0]:.1%} ({interval[1]:.1%}, {interval[2]:.1%})"
