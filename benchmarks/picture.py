"""One picture of a comparison: a group of bars a workload, a bar a contender, as SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

_ROW, _LEFT, _WIDTH, _TITLE = 26, 170, 420, 34


def bars(workloads: Mapping[str, Mapping[str, Any]], title: str) -> str:
    """Prompts a second of the contenders that judge prompts, to scale within a workload; guard's bar stands out."""
    drawn, y = [], 44
    for name, measured in workloads.items():
        rows = _judges(measured["contenders"])
        drawn.append(f'<text x="10" y="{y + 16}" font-weight="bold">{escape(name)}</text>')
        drawn.extend(_group(rows, y + _TITLE - 8))
        y += _TITLE + _ROW * len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 90} {y + 10}" '
        f'font-family="sans-serif" font-size="14" role="img">\n'
        f"<title>Prompts judged a second</title>\n"
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="10" y="26" font-size="16">Prompts judged a second ({escape(title)})</text>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _judges(contenders: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    return [(row["name"], row["prompts_per_second"]) for row in contenders if row["prompts_per_second"]]


def _group(rows: Sequence[tuple[str, float]], top: int) -> Iterator[str]:
    most = max(value for _, value in rows)
    for at, (name, value) in enumerate(rows):
        y, width = top + at * _ROW, value / most * _WIDTH
        color = "#1a7f4b" if name == "guard" else "#9aa5b1"
        yield (
            f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="20" fill="{color}"/>'
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + 15}">{value:.2f}</text>'
        )
