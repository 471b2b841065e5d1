"""CSV with a header, separated by commas, semicolons or tabs. Each row is read as a JSON object.

    id;prompt            {"id": "1", "prompt": "hi"}
    1;hi                 {"id": "2", "prompt": null}
    2;

Quoted cells may contain line breaks. A header is recognized by its columns: one must be known to contain text.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from guardcli.conversation import Json
from guardcli.formats import decoding
from guardcli.formats.errors import RecordError, StreamError, too_long_message
from guardcli.formats.frames import Frame
from guardcli.formats.input_stream import InputStream
from guardcli.formats.line_reader import LineReader, append_blank, strip_marks
from guardcli.formats.pairs import PROMPT_NAMES, RESPONSE_NAMES
from guardcli.formats.prose import is_label

# The names that `pairs` reads, and those of ToxicChat, HarmBench, DICES, and spreadsheets.
TEXT_COLUMNS = frozenset(
    (*PROMPT_NAMES, *RESPONSE_NAMES, "user_input", "model_output", "behavior", "context", "messages", "conversation")
)

_KNOWN_COLUMNS = TEXT_COLUMNS | {
    "author", "categories", "category", "channel", "conversation_id", "created_at", "date", "hate", "id", "index",
    "label", "labels", "lang", "language", "model", "n", "name", "no", "notes", "role", "score", "session_id", "source",
    "split", "tags", "thread_id", "time", "timestamp", "title", "toxic", "toxicity", "type", "user", "user_id", "uuid",
    "violence",
}  # fmt: skip

_FORMAT_COLUMNS = frozenset((*PROMPT_NAMES, *RESPONSE_NAMES))
_MAX_NAME_LENGTH = 64
_MAX_NAME_WORDS = 6
_DELIMITERS = ",;\t"
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*\Z")  # the line with which spreadsheets declare the delimiter
_MAX_CELL_SIZE = (1 << 31) - 1  # the default of `csv` is 128 KB; the limit of the record is enough


def matches(stream: InputStream) -> bool:
    """Return whether the first line is a header: several names, one of them known to hold text."""
    first = b"".join(stream.reader.peek_lines()[:1]).decode(errors="replace")
    return _SEPARATOR_LINE.match(first) is not None or _header(first) is not None


def iter_frames(stream: InputStream) -> Iterator[Frame]:
    """Yield each row of a table.

    Raises:
        StreamError: the header is missing, or a row is longer than the limit (most likely a quote is not closed).
    """
    lines = _RowLines(stream.reader)
    try:
        names, delimiter = _read_header(lines)
    except (RecordError, csv.Error) as error:
        raise StreamError(
            f"no header: expected the names of the columns in the first line of a CSV file ({error})",
            code="input/invalid-header",
        ) from error
    if not any(names):
        raise StreamError(
            "no header: expected the names of the columns in the first line of a CSV file", code="input/invalid-header"
        )
    csv.field_size_limit(_MAX_CELL_SIZE)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    before = lines.take_bytes()
    while True:
        lines.start_row()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except (csv.Error, RecordError) as error:  # go on with the next line
            lines.take_bytes()
            yield Frame(lines.start, RecordError(f"the row is not CSV: {error}", code="record/not-csv"), before=before)
            rows = csv.reader(lines, delimiter=delimiter, strict=True)
            before = b""
            continue
        raw = lines.take_bytes()
        if cells:
            yield Frame(lines.start, _row_value(names, cells), raw, before)
            before = b""
        else:
            before = append_blank(before, raw)


@dataclass(slots=True)
class _RowLines:
    """Iterates over the lines of the input as text, and keeps the bytes of the current row."""

    reader: LineReader
    start: int = 1
    size: int = 0
    _lines: list[bytes] = field(default_factory=list, init=False)

    def start_row(self) -> None:
        self.start, self.size = self.reader.line, 0

    def take_bytes(self) -> bytes:
        """Return the bytes that were read since the last call."""
        content = b"".join(self._lines)
        self._lines.clear()
        return content

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, limit = self.reader.line, self.reader.limit
        line = self.reader.read_line()
        if not line:
            raise StopIteration
        self.size += len(line)
        self._lines.append(line)
        is_cut = len(line) > limit + 1 and not line.endswith(b"\n")  # the rest would be read as a row
        if is_cut or self.size > limit + 2:
            raise StreamError(
                f"{too_long_message(f'the row that begins on line {self.start}', limit)}, "
                "or a quote in it is not closed; what follows is not read",
                code="record/too-long",
            )
        return decoding.decode_text(strip_marks(line) if number == 1 else line, number)


def _read_header(lines: _RowLines) -> tuple[list[str], str]:
    """Return the names of the columns and the delimiter. A line `sep=;` in front declares it; else it is detected."""
    first = next(lines, "")
    if separator := _SEPARATOR_LINE.match(first):
        return _column_names(next(csv.reader([next(lines, "")], delimiter=separator[1]), [])), separator[1]
    return _header(first) or (_column_names(next(csv.reader([first]), [])), ",")


def _header(line: str) -> tuple[list[str], str] | None:
    """Return the names of the columns and the delimiter; None if the line does not look like a header."""
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [cell.strip() for cell in cells]
        filled = [name for name in names if name]  # the index column of a data frame has no name, nor have empty ones
        spaced = any(cell != cell.strip() for cell in cells[1:])  # prose has blanks after commas: then know all names
        known = all(name.lower() in _KNOWN_COLUMNS for name in filled) if spaced else True
        if (
            len(names) > 1
            and known
            and all(map(_is_column_name, filled))
            and any(name.lower() in TEXT_COLUMNS for name in filled)
        ):
            if len({name.lower() for name in filled}) < len(filled):
                return None
            return _column_names(cells), delimiter
    return None


def _is_column_name(name: str) -> bool:
    """Return whether a cell of a header may name a column: it is short, and neither a number nor a sentence."""
    words = name.split()
    return (
        len(name) <= _MAX_NAME_LENGTH
        and len(words) <= _MAX_NAME_WORDS
        and any(map(str.isalpha, name))
        and not name[0].isdigit()
        and not any(mark in name for mark in ".!?:\n")
        and (len(words) < 2 or is_label(name))
    )


def _column_names(cells: list[str]) -> list[str]:
    """Return the names of the columns, without blanks around them.

    Names that `pairs` reads are converted to lower case. Several columns without a name are numbered.
    """
    names = [_canonical(cell.strip()) for cell in cells]
    filled = [name for name in names if name]
    if len(set(filled)) < len(filled):
        raise StreamError(
            "two columns have the same name, so one of them would not be read: rename one", code="input/invalid-header"
        )
    if not filled:
        return []
    nameless = sum(not name for name in names)
    return [name or ("" if nameless == 1 else f"column {n}") for n, name in enumerate(names, start=1)]


def _canonical(name: str) -> str:
    return name.lower() if name.lower() in _FORMAT_COLUMNS else name


def _row_value(names: list[str], cells: list[str]) -> dict[str, Json] | RecordError:
    """Return a row as an object, with null for empty cells; or what is wrong with it."""
    if len(cells) != len(names):
        return RecordError(f"expected {len(names)} cells, as in the header, got {len(cells)}", code="record/not-csv")
    return {name: cell or None for name, cell in zip(names, cells, strict=True)}
