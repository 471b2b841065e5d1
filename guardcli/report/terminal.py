"""Format tables and styled lines for a terminal, by rich. Hostile text in a cell is escaped."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.box import Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guardcli.text.escaping import escape_terminal

Cell = str | tuple[str, str]  # text, or text with a style of rich's

_PLAIN = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def format_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    color: bool = False,
    width: int = 120,
    right: Sequence[int] = (),
    no_wrap: Sequence[int] = (),
) -> str:
    """Format a table.

    Args:
        color: Style the headings and the cells that have a style.
        width: The width of the terminal; long cells are wrapped.
        right: The columns to align right, by index.
        no_wrap: The columns whose cells stay on one line, such as names to copy.
    """
    drawn = Table(box=_PLAIN, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for at, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if at in right else "left"
        drawn.add_column(_text(heading), justify=justify, overflow="fold", no_wrap=at in no_wrap)
    for row in rows:
        drawn.add_row(*map(_text, row))
    return _render(drawn, color=color, width=width)


def _render(drawn: Table | Text, *, color: bool, width: int) -> str:
    """Render a table or a text by rich, without blanks at the ends of lines."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )
    console.print(drawn)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def format_styled(text: str, style: str, *, color: bool) -> str:
    """Format one line of text in a style of rich, such as "bold red"."""
    line = escape_terminal(text)
    return _render(Text(line, style=style, no_wrap=True), color=color, width=10_000) if color else f"{line}\n"


def _text(cell: Cell) -> Text:
    words, style = cell if isinstance(cell, tuple) else (cell, "")
    return Text(escape_terminal(words), style=style)
