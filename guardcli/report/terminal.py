"""Tables as text: aligned columns, in color on request, and nothing in a cell that could command a terminal."""

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
) -> str:
    """A table of at most `width` columns of a terminal; the columns in `right` hold numbers."""
    drawn = Table(box=_PLAIN, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for at, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if at in right else "left"
        drawn.add_column(_text(heading), justify=justify, overflow="fold")
    for row in rows:
        drawn.add_row(*map(_text, row))
    return _render(drawn, color=color, width=width)


def _render(drawn: Table | Text, *, color: bool, width: int) -> str:
    """What rich makes of something, as text; lines have no blanks at their ends."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=color, no_color=not color, highlight=False, emoji=False,
        color_system="standard" if color else None, legacy_windows=False,
    )  # fmt: skip
    console.print(drawn)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def format_styled(text: str, style: str, *, color: bool) -> str:
    """One line of text in a style."""
    line = escape_terminal(text)
    return _render(Text(line, style=style, no_wrap=True), color=color, width=10_000) if color else f"{line}\n"


def _text(cell: Cell) -> Text:
    words, style = cell if isinstance(cell, tuple) else (cell, "")
    return Text(escape_terminal(words), style=style)
