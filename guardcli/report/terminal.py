"""Format tables and styled lines for a terminal, by rich. Hostile text in a cell is escaped."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guardcli.text.escaping import escape_terminal

Cell = str | tuple[str, str]  # text, or text with a style of rich's

_GAP = 3  # columns of the terminal between two of a table
_MIN_TEXT = 12  # columns of the terminal for a text that is wrapped, where others can be left out
_PLAIN = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def format_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    color: bool = False,
    width: int = 120,
    right: Sequence[int] = (),
    no_wrap: Sequence[int] = (),
    optional: Sequence[int] = (),
) -> str:
    """Format a table.

    Args:
        color: Style the headings and the cells that have a style.
        width: The width of the terminal; long cells are wrapped.
        right: The columns to align right, by index.
        no_wrap: The columns whose cells stay on one line, such as names to copy.
        optional: The columns that are left out, first to last, until no word of the others must be cut.
    """
    rows = list(rows)
    shown = list(range(len(headings)))
    columns = [(heading, [row[at] for row in rows]) for at, heading in enumerate(headings)]
    full = [_least_width(heading, cells, whole=True) for heading, cells in columns]
    needed = [
        full[at] if at in no_wrap else max(_least_width(heading, cells, whole=False), min(full[at], _MIN_TEXT))
        for at, (heading, cells) in enumerate(columns)
    ]

    def fits() -> bool:
        return sum(needed[at] for at in shown) + _GAP * (len(shown) - 1) <= width

    for at in optional:
        if not fits():
            shown.remove(at)
    # Rich makes wide columns narrower until all are equal, and cuts words of those that cannot be wrapped.
    whole = {at for at in shown if at in no_wrap or (fits() and needed[at] == full[at])}
    drawn = Table(box=_PLAIN, show_edge=False, pad_edge=False, header_style="bold", padding=(0, _GAP - 1, 0, 0))
    for at in shown:
        justify: Literal["left", "right"] = "right" if at in right else "left"
        drawn.add_column(_text(headings[at]), justify=justify, overflow="fold", no_wrap=at in whole)
    for row in rows:
        drawn.add_row(*(_text(row[at]) for at in shown))
    return _render(drawn, color=color, width=width)


def _least_width(heading: str, cells: Iterable[Cell], *, whole: bool) -> int:
    """The columns of a terminal that the longest word of a table's column needs, or its longest cell if `whole`."""
    texts = [heading, *(cell if isinstance(cell, str) else cell[0] for cell in cells)]
    words = texts if whole else [word for text in texts for word in text.split()]
    return max((cell_len(escape_terminal(word)) for word in words), default=0)


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
