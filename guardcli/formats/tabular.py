"""CSV with a header, as spreadsheets and the makers of evaluation sets export it: each row an object by column names.

Commas, semicolons or tabs; cells in quotes may hold line breaks. An empty cell is null. It knows no format but the
names of columns that hold text, by which a header is told from prose.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from guardcli.conversation import Json
from guardcli.formats import decoding
from guardcli.formats.faults import Damaged, Unreadable, too_long
from guardcli.formats.pairs import PROMPTS, RESPONSES
from guardcli.formats.pieces import Fault
from guardcli.formats.reader import Reader

# Beside the names that `pairs` reads: those of ToxicChat, HarmBench and DICES.
TEXTS = frozenset((*PROMPTS, *RESPONSES, "user_input", "model_output", "Behavior", "context"))

_NAME = re.compile(r"[^\W\d][\w .-]{0,63}")
_DELIMITERS = ",;\t"
_CELL = (1 << 31) - 1  # csv's own limit of a cell is 128 KB; ours is that of the record


def matches(first: str) -> bool:
    """Whether a first line is such a header: several names, one of which is known to hold text."""
    return _header(first) is not None


def values(reader: Reader, limit: int) -> Iterator[tuple[int, dict[str, Json], bytes] | Fault]:
    """Each row: the line on which it begins, its value, and that as JSON.

    Raises:
        Damaged: there is no header, or a row is longer than `limit`: a quote is not closed, and what follows is lost.
    """
    lines = _Lines(reader, limit)
    try:
        first = next(lines, "")
        names, delimiter = _header(first) or (_names(next(csv.reader([first]), [])), ",")
    except (Unreadable, csv.Error) as error:
        raise Damaged(f"no header: the first line names the columns of a CSV file ({error})") from error
    if not any(names):
        raise Damaged("no header: the first line of a CSV file names its columns")
    csv.field_size_limit(_CELL)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except (csv.Error, Unreadable) as error:  # the next row is sought on the next line
            yield Fault(lines.start, f"the row is no CSV: {error}")
            rows = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        if cells:
            yield _row(lines.start, names, cells)


@dataclass(slots=True)
class _Lines:
    """The lines of the source as text, with their ends; it knows on which one the row at hand began."""

    reader: Reader
    limit: int
    start: int = 1
    size: int = 0
    _fragments: Iterator[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._fragments = iter(lambda: self.reader.fragment(self.limit + 2), b"")

    def begin(self) -> None:
        self.start, self.size = self.reader.line, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number = self.reader.line
        line = next(self._fragments)
        self.size += len(line)
        cut = len(line) > self.limit + 1 and not line.endswith(b"\n")  # the rest would be taken for a row
        if cut or self.size > self.limit + 2:
            raise Damaged(
                f"{too_long(f'the row that begins on line {self.start}', self.limit)}, or a quote in it is not closed; "
                "what follows is not read"
            )
        return decoding.text(line, number)


def _header(line: str) -> tuple[list[str], str] | None:
    """The names of the columns, and what parts them."""
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        named = [name for name in names if name]  # the first column of a data frame has no name
        whole = len(names) > 1 and len(set(names)) == len(names) and all(map(_NAME.fullmatch, named))
        if whole and TEXTS & set(named):
            return names, delimiter
    return None


def _names(cells: list[str]) -> list[str]:
    if len(set(cells)) < len(cells):
        raise Damaged("two columns have one name, and one of them would not be read: rename it")
    return cells


def _row(line: int, names: list[str], cells: list[str]) -> tuple[int, dict[str, Json], bytes] | Fault:
    if len(cells) != len(names):
        return Fault(line, f"the row has {len(cells)} cells, and the header names {len(names)}")
    value: dict[str, Json] = {name: cell or None for name, cell in zip(names, cells, strict=True)}
    return line, value, json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
