"""One picture of a comparison: a bar a contender, by prompts a second, as SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_ROW, _LEFT, _WIDTH = 34, 170, 420


def bars(result: Sequence[dict[str, object]], title: str) -> str:
    """The contenders that judge prompts; guard's bar stands out."""
    rows = [(str(row["name"]), float(str(row["prompts_per_second"]))) for row in result if row["prompts_per_second"]]
    most = max(value for _, value in rows)
    drawn = "\n".join(_bar(name, value, value / most, at) for at, (name, value) in enumerate(rows))
    height = 50 + _ROW * len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 90} {height}" '
        f'font-family="sans-serif" font-size="14" role="img">\n'
        f"<title>Prompts judged a second</title>\n"
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="10" y="24" font-weight="bold">Prompts judged a second ({escape(title)})</text>\n{drawn}\n</svg>\n'
    )


def _bar(name: str, value: float, share: float, at: int) -> str:
    y = 40 + at * _ROW
    colour = "#1a7f4b" if name == "guard" else "#9aa5b1"
    return (
        f'<text x="{_LEFT - 8}" y="{y + 17}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{_LEFT}" y="{y}" width="{share * _WIDTH:.1f}" height="24" fill="{colour}"/>'
        f'<text x="{_LEFT + share * _WIDTH + 6:.1f}" y="{y + 17}">{value:.2f}</text>'
    )
