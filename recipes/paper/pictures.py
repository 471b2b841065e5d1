"""The pictures of docs/paper.md: SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

Interval = Sequence[float]  # a value, and the ends of its 95 % interval

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 680, 280, 40, 52, 26
_PLOT_HEIGHT, _LEGEND = 260, 230
_COLORS = ("#1a7f4b", "#9a5b13", "#5b6b7b", "#7a3e9d")
_GRID, _TEXT = "#d9dee3", "#333"


def intervals(
    title: str, rows: Sequence[tuple[str, Interval]], *, low: float = 0.0, high: float = 1.0, num_colors: int = 1
) -> str:
    """A row for each value: a dot, and a line as long as its interval. Several colors take turns."""
    height = _TOP + _ROW * len(rows) + 34
    bottom = height - 30
    drawn = [*_vertical_grid(low, high, bottom)]
    for at, (label, (value, first, last)) in enumerate(rows):
        y, color = _TOP + _ROW * at + _ROW / 2, _COLORS[at % num_colors]
        x, begin, end = (_scaled(v, low, high, _LEFT, _WIDTH - _RIGHT) for v in (value, first, last))
        drawn += [
            f'<text x="{_LEFT - 12}" y="{y + 5:.0f}" text-anchor="end">{escape(label)}</text>',
            f'<line x1="{begin:.1f}" y1="{y:.0f}" x2="{end:.1f}" y2="{y:.0f}" stroke="{color}" stroke-width="2"/>',
            f'<circle cx="{x:.1f}" cy="{y:.0f}" r="5" fill="{color}"/>',
        ]
    return _svg(title, height, drawn)


def curves(title: str, x_label: str, series: Mapping[str, Sequence[tuple[float, Interval]]], *, low: float) -> str:
    """A line for each series of (share, value): its x is a share from 0 to 1, its y goes from `low` to 1."""
    bottom, right = _TOP + _PLOT_HEIGHT, _WIDTH - _LEGEND
    left = 60
    drawn = [*_horizontal_grid(low, left, right, bottom)]
    shares = sorted({share for points in series.values() for share, _ in points})
    for share in shares:
        x = _scaled(share, 0, 1, left, right)
        drawn.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{share:.0%}</text>')
    drawn.append(f'<text x="{(left + right) / 2:.0f}" y="{bottom + 42}" text-anchor="middle">{escape(x_label)}</text>')
    for at, (name, points) in enumerate(series.items()):
        color, shift = _COLORS[at % len(_COLORS)], 4 * (at - (len(series) - 1) / 2)  # intervals do not hide each other
        placed = [
            (_scaled(share, 0, 1, left, right) + shift, [_scaled(v, low, 1, bottom, _TOP) for v in interval])
            for share, interval in points
        ]
        if len(placed) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, (y, _, _) in placed)
            drawn.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for x, (y, first, last) in placed:
            drawn.append(
                f'<line x1="{x:.1f}" y1="{first:.1f}" x2="{x:.1f}" y2="{last:.1f}" stroke="{color}" stroke-width="1"/>'
            )
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')
        y = _TOP + 20 + 24 * at
        drawn.append(f'<circle cx="{right + 30}" cy="{y - 5}" r="5" fill="{color}"/>')
        drawn.append(f'<text x="{right + 42}" y="{y}">{escape(name)}</text>')
    return _svg(title, bottom + 56, drawn)


def _vertical_grid(low: float, high: float, bottom: float) -> Iterator[str]:
    for value in _ticks(low, high):
        x = _scaled(value, low, high, _LEFT, _WIDTH - _RIGHT)
        yield f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}" stroke="{_GRID}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{value:.1f}</text>'


def _horizontal_grid(low: float, left: float, right: float, bottom: float) -> Iterator[str]:
    for value in _ticks(low, 1.0):
        y = _scaled(value, low, 1.0, bottom, _TOP)
        yield f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{_GRID}"/>'
        yield f'<text x="{left - 8}" y="{y + 5:.1f}" text-anchor="end">{value:.1f}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """The tenths from one end to the other; every second one where there are many."""
    step = 1 if high - low <= 0.6 else 2
    return [tenth / 10 for tenth in range(round(low * 10), round(high * 10) + 1, step)]


def _scaled(value: float, low: float, high: float, first: float, last: float) -> float:
    return first + (value - low) / (high - low) * (last - first)


def _svg(title: str, height: float, drawn: Sequence[str]) -> str:
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" font-family="sans-serif" '
        f'font-size="14" fill="{_TEXT}" role="img">\n<title>{escape(title)}</title>\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="10" y="26" font-size="16">{escape(title)}</text>\n{body}\n</svg>\n'
    )
