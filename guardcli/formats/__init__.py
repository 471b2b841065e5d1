"""Bytes to records: the format is found out by the content, record by record, and never by a file's name.

A format is one module and one line in a table: of JSON values in `values`, of text below. This package knows nothing of
prompts, verdicts or the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, Protocol

from guardcli.conversation import Conversation, Json, Key, Malformed, Record
from guardcli.formats import decoding, lines, parquet, paths, structure, tabular, transcript
from guardcli.formats.faults import Damaged, Unreadable, too_long
from guardcli.formats.pieces import Chunk, Fault, Line
from guardcli.formats.reader import Reader
from guardcli.formats.source import open_source, text
from guardcli.formats.values import FORMATS, How, Report, convert, id_of, of_chunk, of_value

__all__ = ["NAMES", "Unreadable", "open_source", "parse", "parse_path", "read", "repaired", "select"]

parse_path = paths.parse
select = paths.select


class _TextFormat(Protocol):
    def matches(self, first: str) -> bool: ...

    def records(self, reader: Reader, source: str, limit: int) -> Iterator[Record | Malformed]: ...


_TEXT: dict[str, _TextFormat] = {"lines": lines, "transcript": transcript}

_CSV = "csv"  # a table of JSON values, each of which is of a format of its own
NAMES: tuple[str, ...] = (*FORMATS, *_TEXT, _CSV)


def read(
    stream: BinaryIO,
    source: str,
    *,
    format: str | None = None,
    messages_path: str | None = None,
    max_record_bytes: int = 1 << 20,
    start: int = 1,
    on_detect: Report | None = None,
) -> Iterator[Record | Malformed]:
    """Every record of a stream from line `start` on, in order, each as soon as it is complete.

    `source` is the stream's name in the keys. Without a `format` it is detected, and `on_detect` is called
    with the name of each format when it is first seen. A key's `part` is the name of the conversation in its
    record; of several values on one line, the second and later ones are told apart by number: "1".

    `messages_path` says where in a JSON record the conversation is.

    Raises:
        ValueError: there is no such format, or the path is none.
    """
    if format not in (None, *NAMES):
        raise ValueError(f"unknown format {format!r}; known are {', '.join(NAMES)}")
    report = _once(on_detect or _ignore)
    how = How(format, paths.parse(messages_path) if messages_path else (), start)
    if parquet.is_parquet(stream):
        yield from _parquet_records(stream, source, how, max_record_bytes, report)
        return
    reader = Reader(text(stream))
    try:
        yield from _records(reader, source, how, max_record_bytes, report)
    except Damaged as error:
        yield Malformed(Key(source, reader.line), str(error))


def parse(value: Json) -> Conversation:
    """The one conversation in a JSON value of any format; a text is a user's prompt.

    Raises:
        Unreadable: there is none, or more than one.
    """
    try:
        value, flags = decoding.repaired(value)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    found = convert(value, None, _ignore)
    if len(found) > 1:
        raise Unreadable(f"{len(found)} conversations in one value; pass them one by one")
    return replace(found[0][1], id=id_of(value), flags=flags)


def repaired(conversation: Conversation) -> Conversation:
    """A conversation made elsewhere, its lone surrogates replaced and flagged as those of the input are."""
    texts, flags = decoding.repaired([message.content for message in conversation.messages])
    if not flags:
        return conversation
    assert isinstance(texts, list)
    said = zip(conversation.messages, texts, strict=True)
    messages = tuple(replace(message, content=str(text)) for message, text in said)
    return replace(conversation, messages=messages, flags=(*conversation.flags, *flags))


def _records(reader: Reader, source: str, how: How, limit: int, report: Report) -> Iterator[Record | Malformed]:
    """The records from line `start` on: where lines are records those before are passed over, else read and dropped."""
    format = how.format
    layout = "text" if format in (*_TEXT, _CSV) else structure.layout(reader, limit)
    if layout == "text" and (format == _CSV or (format not in _TEXT and _is_table(reader, limit))):
        report(_CSV)
        yield from _table_records(reader, source, how, limit, report)
        return
    if layout != "text" or format in FORMATS or how.path:
        if layout != "json values":
            reader.skip_to(how.start)
        found = _json_records(structure.values(reader, limit, layout), source, how, report)
    elif (name := format or _detect_text(structure.first_line(reader, limit), report)) == "lines":
        reader.skip_to(how.start)
        mixed = format is None
        found = _lines_and_json(reader, source, limit, report) if mixed else lines.records(reader, source, limit)
    else:
        found = _TEXT[name].records(reader, source, limit)
    yield from (row for row in found if row.key.line >= how.start)


def _is_table(reader: Reader, limit: int) -> bool:
    return tabular.matches(structure.first_line(reader, limit).decode(errors="replace"))


def _table_records(reader: Reader, source: str, how: How, limit: int, report: Report) -> Iterator[Record | Malformed]:
    """A row is a record, on the line where it begins."""
    inner = replace(how, format=None if how.format == _CSV else how.format)
    for row in tabular.values(reader, limit):
        if isinstance(row, Fault):
            yield Malformed(Key(source, row.line), row.reason)
        elif row[0] >= how.start:
            line, value, raw = row
            yield from of_value(value, (), raw, Key(source, line), inner, report)


def _parquet_records(
    stream: BinaryIO, source: str, how: How, limit: int, report: Report
) -> Iterator[Record | Malformed]:
    """A row is a record; its number stands for a line."""
    row = how.start - 1
    try:
        for row, value, raw in parquet.values(stream, how.start):
            if len(raw) > limit:
                yield Malformed(Key(source, row), too_long("the row", limit))
            else:
                yield from of_value(value, (), raw, Key(source, row), how, report)
    except Damaged as error:
        yield Malformed(Key(source, row + 1), str(error))


def _lines_and_json(reader: Reader, source: str, limit: int, report: Report) -> Iterator[Record | Malformed]:
    """Lines of text, among which one that is a record of a JSON format is read as that: logs begin with banners."""
    for line in reader.lines(limit):
        parsed = _json_record(line) if line.whole else None
        if parsed is None:
            yield from lines.records_of(line, source, limit)
        else:
            yield from of_value(*parsed, line.content, Key(source, line.number), How(), report)


def _json_record(line: Line) -> tuple[Json, tuple[str, ...]] | None:
    """The value and flags of a line that is a record of a JSON format."""
    if not line.content.lstrip().startswith(b"{"):
        return None
    try:
        value, flags = decoding.value(line.content, line.number)
    except Unreadable:
        return None
    return (value, flags) if any(format.matches(value) for format in FORMATS.values()) else None


def _detect_text(first: bytes, report: Report) -> str:
    """Decided once a stream: a later line `User: x` in a file of prompts must not swallow what follows."""
    line = first.decode(errors="replace")
    # The last in the table that fits: `lines` fits always.
    name = next(name for name in reversed(_TEXT) if _TEXT[name].matches(line))
    if first:
        report(name)
    return name


def _json_records(
    values: Iterator[Chunk | Fault], source: str, how: How, report: Report
) -> Iterator[Record | Malformed]:
    line, count = 0, 0
    for value in values:
        count = count + 1 if value.line == line else 0
        line = value.line
        key = Key(source, line, str(count) if count else None)
        if isinstance(value, Fault):
            yield Malformed(key, value.reason)
        else:
            yield from of_chunk(value, key, how, report)


def _once(report: Report) -> Report:
    seen: set[str] = set()

    def first_time(name: str) -> None:
        if name not in seen:
            seen.add(name)
            report(name)

    return first_time


def _ignore(name: str) -> None:
    """Nobody wants to know."""
