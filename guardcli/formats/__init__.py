"""Bytes to records: the format is found out by the content, record by record, and never by a file's name.

A format is one module and one line in a table below. Its `matches` says whether a value is of this format,
its `conversations` makes conversations of such a value (each with its name, where there are several) or
raises `Unreadable`. This package knows nothing of prompts, verdicts or the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from guardcli.conversation import Conversation, Json, Key, Malformed, Record
from guardcli.formats import (
    batches,
    decoding,
    hh,
    lines,
    openai,
    pairs,
    parquet,
    paths,
    sharegpt,
    structure,
    tabular,
    telemetry,
    traces,
    transcript,
    unread,
    vercel,
)  # fmt: skip
from guardcli.formats.faults import Damaged, Unreadable, kind, listed, too_long
from guardcli.formats.pieces import Chunk, Fault, Line
from guardcli.formats.reader import Reader
from guardcli.formats.source import open_source, text

__all__ = ["NAMES", "Unreadable", "open_source", "parse", "parse_path", "read", "repaired", "select"]

parse_path = paths.parse
select = paths.select


class _JsonFormat(Protocol):
    def matches(self, value: Json) -> bool: ...

    def conversations(self, value: Json) -> list[tuple[str | None, Conversation]]: ...


class _TextFormat(Protocol):
    def matches(self, first: str) -> bool: ...

    def records(self, reader: Reader, source: str, limit: int) -> Iterator[Record | Malformed]: ...


# The first that fits: those that are known by rarer keys stand before those that are known by common ones.
_JSON: dict[str, _JsonFormat] = {
    "batches": batches, "telemetry": telemetry, "traces": traces, "vercel": vercel,
    "openai": openai, "pairs": pairs, "sharegpt": sharegpt, "hh": hh,
}  # fmt: skip
_TEXT: dict[str, _TextFormat] = {"lines": lines, "transcript": transcript}

_CSV = "csv"  # a table of JSON values, each of which is of a format of its own
NAMES: tuple[str, ...] = (*_JSON, *_TEXT, _CSV)

# What a format reads of the fields that hold a prompt, a response or a conversation in others: all else beside it must
# say nothing new.
_READ: dict[str, tuple[str, ...]] = {
    "traces": ("input", "output"),
    "vercel": ("messages",),
    "openai": ("messages",),
    "sharegpt": ("conversations",),
    "hh": ("chosen", "rejected", "transcript"),
}

_IDS = ("id", "custom_id", "conversation_id", "conversation_hash", "trace_id")

_Report = Callable[[str], None]


def read(
    stream: BinaryIO,
    source: str,
    *,
    format: str | None = None,
    messages_path: str | None = None,
    max_record_bytes: int = 1 << 20,
    start: int = 1,
    on_detect: _Report | None = None,
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
    how = _How(format, paths.parse(messages_path) if messages_path else (), start)
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
    found = _convert(value, None, _ignore)
    if len(found) > 1:
        raise Unreadable(f"{len(found)} conversations in one value; pass them one by one")
    return replace(found[0][1], id=_id(value), flags=flags)


def repaired(conversation: Conversation) -> Conversation:
    """A conversation made elsewhere, its lone surrogates replaced and flagged as those of the input are."""
    texts, flags = decoding.repaired([message.content for message in conversation.messages])
    if not flags:
        return conversation
    assert isinstance(texts, list)
    said = zip(conversation.messages, texts, strict=True)
    messages = tuple(replace(message, content=str(text)) for message, text in said)
    return replace(conversation, messages=messages, flags=(*conversation.flags, *flags))


@dataclass(frozen=True, slots=True)
class _How:
    """What is forced: a format, the path to the conversation in a record, and the line to begin at."""

    format: str | None = None
    path: tuple[paths.Step, ...] = ()
    start: int = 1


def _records(reader: Reader, source: str, how: _How, limit: int, report: _Report) -> Iterator[Record | Malformed]:
    """The records from line `start` on: where lines are records those before are passed over, else read and dropped."""
    format = how.format
    layout = "text" if format in (*_TEXT, _CSV) else structure.layout(reader, limit)
    if layout == "text" and (format == _CSV or (format not in _TEXT and _is_table(reader, limit))):
        report(_CSV)
        yield from _table_records(reader, source, how, limit, report)
        return
    if layout != "text" or format in _JSON or how.path:
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


def _table_records(reader: Reader, source: str, how: _How, limit: int, report: _Report) -> Iterator[Record | Malformed]:
    """A row is a record, on the line where it begins."""
    inner = replace(how, format=None if how.format == _CSV else how.format)
    for row in tabular.values(reader, limit):
        if isinstance(row, Fault):
            yield Malformed(Key(source, row.line), row.reason)
        elif row[0] >= how.start:
            line, value, raw = row
            yield from _of_value(value, (), raw, Key(source, line), inner, report)


def _parquet_records(
    stream: BinaryIO, source: str, how: _How, limit: int, report: _Report
) -> Iterator[Record | Malformed]:
    """A row is a record; its number stands for a line."""
    row = how.start - 1
    try:
        for row, value, raw in parquet.values(stream, how.start):
            if len(raw) > limit:
                yield Malformed(Key(source, row), too_long("the row", limit))
            else:
                yield from _of_value(value, (), raw, Key(source, row), how, report)
    except Damaged as error:
        yield Malformed(Key(source, row + 1), str(error))


def _lines_and_json(reader: Reader, source: str, limit: int, report: _Report) -> Iterator[Record | Malformed]:
    """Lines of text, among which one that is a record of a JSON format is read as that: logs begin with banners."""
    for line in reader.lines(limit):
        parsed = _json_record(line) if line.whole else None
        if parsed is None:
            yield from lines.records_of(line, source, limit)
        else:
            yield from _of_value(*parsed, line.content, Key(source, line.number), _How(), report)


def _json_record(line: Line) -> tuple[Json, tuple[str, ...]] | None:
    """The value and flags of a line that is a record of a JSON format."""
    if not line.content.lstrip().startswith(b"{"):
        return None
    try:
        value, flags = decoding.value(line.content, line.number)
    except Unreadable:
        return None
    return (value, flags) if any(format.matches(value) for format in _JSON.values()) else None


def _detect_text(first: bytes, report: _Report) -> str:
    """Decided once a stream: a later line `User: x` in a file of prompts must not swallow what follows."""
    line = first.decode(errors="replace")
    # The last in the table that fits: `lines` fits always.
    name = next(name for name in reversed(_TEXT) if _TEXT[name].matches(line))
    if first:
        report(name)
    return name


def _json_records(
    values: Iterator[Chunk | Fault], source: str, how: _How, report: _Report
) -> Iterator[Record | Malformed]:
    line, count = 0, 0
    for value in values:
        count = count + 1 if value.line == line else 0
        line = value.line
        key = Key(source, line, str(count) if count else None)
        if isinstance(value, Fault):
            yield Malformed(key, value.reason)
        else:
            yield from _of_chunk(value, key, how, report)


def _of_chunk(chunk: Chunk, key: Key, how: _How, report: _Report) -> Iterator[Record | Malformed]:
    try:
        value, flags = decoding.value(chunk.content, chunk.line)
    except Unreadable as error:
        yield Malformed(key, error.reason)
        return
    yield from _of_value(value, flags, chunk.content, key, how, report)


def _of_value(
    value: Json, flags: tuple[str, ...], raw: bytes, key: Key, how: _How, report: _Report
) -> Iterator[Record | Malformed]:
    fields = value if isinstance(value, dict) else {}
    key = Key(key.source, key.line, key.part, _id(value))
    try:
        found = _convert(paths.select(value, how.path), how.format, report)
    except Unreadable as error:
        yield Malformed(key, error.reason, fields)
        return
    for left, (name, conversation) in zip(reversed(range(len(found))), found, strict=True):
        place = Key(key.source, key.line, ".".join(filter(None, (key.part, name))) or None, key.id)
        yield Record(place, Conversation(conversation.messages, key.id, flags), fields, raw, left > 0)


def _convert(value: Json, format: str | None, report: _Report) -> list[tuple[str | None, Conversation]]:
    name = format or next((name for name in _JSON if _JSON[name].matches(value)), None)
    if name is None:
        raise Unreadable(
            f"no known format: {_described(value)}; guard reads `messages`, or text under `prompt` and `response` "
            "(such as jq -c '{id, prompt: .message}' makes)"
        )
    if not _JSON[name].matches(value):
        raise Unreadable(f"not of the format {name}: {_described(value)}")
    if format is None:
        report(name)
    try:
        found = _JSON[name].conversations(value)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    unread.check(value, found, _READ.get(name, ()))
    return found


def _described(value: Json) -> str:
    if isinstance(value, dict) and value:
        return f"an object with the keys {listed(value)}"
    return kind(value)


def _id(value: Json) -> str | None:
    fields = value if isinstance(value, dict) else {}
    named = (fields.get(key) for key in _IDS)
    return next((str(id) for id in named if isinstance(id, (str, int)) and not isinstance(id, bool)), None)


def _once(report: _Report) -> _Report:
    seen: set[str] = set()

    def first_time(name: str) -> None:
        if name not in seen:
            seen.add(name)
            report(name)

    return first_time


def _ignore(name: str) -> None:
    """Nobody wants to know."""
