"""Bytes to records: the format is found out by the content, record by record, and never by a file's name.

A format is one module and one line in a table: of JSON values in `values`, of text below. This package knows nothing of
prompts, verdicts or the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO, Literal, TypeAlias, get_args

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, Record, Role
from guardcli.formats import csv_table, decoding, layout, magic, parquet, paths, text_lines, transcript
from guardcli.formats.errors import RecordError, StreamError, describe_type, too_long_message
from guardcli.formats.frames import BadFrame, Frame
from guardcli.formats.line_reader import LineReader
from guardcli.formats.registry import (
    FORMATS,
    OnDetect,
    OnText,
    ReadOptions,
    parse_conversations,
    record_id,
    records_from_bytes,
    records_from_value,
)
from guardcli.formats.source import iter_raw, iter_utf8, open_source
from guardcli.formats.unread_text import NO_IGNORED_PATHS, IgnoredPaths

__all__ = [
    "INPUT_FORMATS",
    "RecordError",
    "RecordLines",
    "find_record_lines",
    "get_at_path",
    "open_source",
    "parse",
    "parse_path",
    "parse_paths",
    "read",
    "validate_conversation",
]

parse_path = paths.parse_path
parse_paths = paths.parse_paths
get_at_path = paths.get_at_path


_TEXT = ("lines", "transcript")

_CSV = "csv"  # a table of JSON values, each of which is of a format of its own
_JSONL = "jsonl"  # JSON values, each of which is of a format of its own
INPUT_FORMATS: tuple[str, ...] = (*FORMATS, *_TEXT, _CSV, _JSONL)

# What a file holds in which no record goes beyond its line, so that it can be cut between any two lines.
RecordLines: TypeAlias = Literal["json", "text"]
_Layout: TypeAlias = Literal["json", "text", "json values", "csv", "transcript"]


def read(
    stream: BinaryIO,
    source: str,
    *,
    format: str | None = None,
    messages_path: str | None = None,
    max_record_bytes: int = 1 << 20,
    start: int = 1,
    first_line: int = 1,
    record_lines: RecordLines | None = None,
    ignore: str | None = None,
    text_fields: Sequence[str] = (),
    on_detect: OnDetect | None = None,
    on_note: OnDetect | None = None,
    on_text: OnText | None = None,
) -> Iterator[Record | Malformed]:
    """Every record of a stream from line `start` on, in order, each as soon as it is complete.

    `source` is the stream's name in the keys. Without a `format` it is detected, and `on_detect` is called
    with the name of each format when it is first seen; `on_note` gets a sentence where a person should know of it, and
    `on_text` each text of a JSON record with its path and what becomes of it. A
    key's `part` is the name of the conversation in its record; of several values on one line, the second and later ones
    are told apart by number: "1".

    `messages_path` says where in a JSON record the conversation is, `ignore` which fields (`title,messages[].note`) are
    metadata, and `text_fields` which hold text that is to be judged besides, as a user's.

    A stream may be a part of a file that `find_record_lines` lets cut: then `first_line` is the number of its first
    line, and `record_lines` what was found.

    Raises:
        ValueError: there is no such format, or a path is none.
    """
    if format not in (None, *INPUT_FORMATS):
        raise ValueError(f"unknown format {format!r}; known are {', '.join(INPUT_FORMATS)}")
    report, note = _once(on_detect or _ignore), _once(on_note or _ignore)
    how = ReadOptions(
        format,
        paths.parse_path(messages_path) if messages_path else (),
        start,
        IgnoredPaths.from_text(ignore) if ignore else NO_IGNORED_PATHS,
        tuple(place for field in text_fields for place in sorted(paths.parse_paths(field))),
        on_text,
    )
    if record_lines is None and parquet.is_parquet(stream):
        yield from _parquet_records(stream, source, how, max_record_bytes, report)
        return
    reader = LineReader(iter_utf8(stream) if record_lines is None else iter_raw(stream), first_line)
    try:
        sniffed = note if _is_file(stream) else None
        framing = record_lines or _layout(reader, how, max_record_bytes, report, sniffed, note)
        yield from _records(reader, source, how, max_record_bytes, report, framing)
    except StreamError as error:
        yield Malformed(Key(source, reader.line), str(error))


def find_record_lines(
    stream: BinaryIO, *, format: str | None = None, messages_path: str | None = None, max_record_bytes: int = 1 << 20
) -> RecordLines | None:
    """Whether every record of a file is on a line of its own, and what such a line holds; None if not, or if the file
    is packed. The arguments are those of `read`."""
    if parquet.is_parquet(stream):
        return None
    head = stream.read(len(magic.ZSTD))
    stream.seek(0)
    if head.startswith((magic.GZIP, magic.ZSTD)):
        return None
    how = ReadOptions(format, paths.parse_path(messages_path) if messages_path else ())
    try:
        framing = _layout(LineReader(iter_utf8(stream)), how, max_record_bytes, _ignore, _ignore, _ignore)
    except StreamError:
        return None
    return framing if framing == "json" or framing == "text" else None


def _is_file(stream: BinaryIO) -> bool:
    """Whether all of the input is there: what somebody writes into a pipe must not decide how it is read."""
    try:
        return stream.seekable()
    except (OSError, AttributeError, ValueError):
        return False


def parse(value: Json) -> Conversation:
    """The one conversation in a JSON value of any format; a text is a user's prompt.

    Raises:
        RecordError: there is none, or more than one.
    """
    try:
        if isinstance(value, (str, list, dict)):
            decoding.check_json(value)
        value, flags = decoding.replace_lone_surrogates(value)
    except RecursionError:
        raise RecordError("nested too deeply") from None
    found = parse_conversations(value, ReadOptions(), _ignore)
    if len(found) > 1:
        raise RecordError(f"{len(found)} conversations in one value; pass them one by one")
    return replace(found[0][1], id=record_id(value), flags=(*flags, *found[0][1].flags))


def validate_conversation(conversation: Conversation) -> Conversation:
    """A conversation made elsewhere, its lone surrogates replaced and flagged as those of the input are.

    Raises:
        RecordError: a message is none, or its text is no text.
    """
    for number, message in enumerate(conversation.messages, start=1):
        if not isinstance(message, Message):
            raise RecordError(f"message {number} is {describe_type(message)}; it must be a Message")
        if not isinstance(message.content, str):
            raise RecordError(f"message {number}: its content is {describe_type(message.content)}; it must be text")
        if message.role not in get_args(Role):
            raise RecordError(f"message {number}: its role must be one of {', '.join(get_args(Role))}")
        decoding.check_nul(message.content)
    texts, flags = decoding.replace_lone_surrogates([message.content for message in conversation.messages])
    if not flags:
        return conversation
    assert isinstance(texts, list)
    said = zip(conversation.messages, texts, strict=True)
    messages = tuple(replace(message, content=str(text)) for message, text in said)
    return replace(conversation, messages=messages, flags=(*conversation.flags, *flags))


def _layout(
    reader: LineReader, how: ReadOptions, limit: int, report: OnDetect, sniffed: OnDetect | None, note: OnDetect
) -> _Layout:
    """What the input holds, by its beginning, which stays to be read.

    Tables and transcripts are found by themselves only where `sniffed` is there to be told.
    """
    format = how.format
    kind = "text" if format in (*_TEXT, _CSV) else layout.detect_layout(reader, limit)
    sniffing = format is None and kind == "text"
    name = _detect_text(layout.peek_lines(reader, limit), sniffed, note) if sniffing else format
    if kind != "text" or format in (*FORMATS, _JSONL) or (sniffing and how.path and name != _CSV):
        return "json values" if kind == "json values" else "json"
    if sniffing and layout.peek_first_line(reader, limit):
        report(str(name))
    if name == _CSV:
        return "csv"
    return "transcript" if name == "transcript" else "text"


def _records(
    reader: LineReader, source: str, how: ReadOptions, limit: int, report: OnDetect, framing: _Layout
) -> Iterator[Record | Malformed]:
    """The records from line `start` on: where lines are records those before are passed over, else read and dropped."""
    if framing in ("json", "text"):
        reader.skip_to(how.start)
    if framing in ("json", "json values"):
        inner = replace(how, format=None) if how.format == _JSONL else how
        values = layout.iter_frames(reader, limit, "json values" if framing == "json values" else "json lines")
        found = _json_records(values, source, inner, report)
    elif framing == "csv":
        found = _table_records(reader, source, how, limit, report)
    elif framing == "transcript":
        found = transcript.read_records(reader, source, limit, trusted=how.format is not None)
    else:
        found = (text_lines.read_records if how.format else text_lines.read_detected_records)(reader, source, limit)
    yield from found if how.start <= 1 else (row for row in found if row.key.line >= how.start)


def _table_records(
    reader: LineReader, source: str, how: ReadOptions, limit: int, report: OnDetect
) -> Iterator[Record | Malformed]:
    """A row is a record, on the line where it begins."""
    inner = replace(how, format=None if how.format == _CSV else how.format)
    for row in csv_table.iter_rows(reader, limit):
        if isinstance(row, BadFrame):
            yield Malformed(Key(source, row.line), row.reason, before=row.before)
        elif row.line >= how.start:
            found = records_from_value(row.value, (), row.raw, Key(source, row.line), inner, report)
            yield from _behind(row.before, found)


def _behind(before: bytes, found: Iterable[Record | Malformed]) -> Iterator[Record | Malformed]:
    """Records, with what stands in front of the first of them."""
    for item in found:
        yield replace(item, before=before) if before else item
        before = b""


def _parquet_records(
    stream: BinaryIO, source: str, how: ReadOptions, limit: int, report: OnDetect
) -> Iterator[Record | Malformed]:
    """A row is a record; its number stands for a line."""
    if how.format in (*_TEXT, _CSV):
        yield Malformed(Key(source, 1), f"this is Parquet: --input-format {how.format} reads text; leave it out")
        return
    if how.format == _JSONL:
        how = replace(how, format=None)
    row = how.start - 1
    try:
        for row, value, raw in parquet.iter_rows(stream, how.start):
            if len(raw) > limit:
                yield Malformed(Key(source, row), too_long_message("the row", limit))
            else:
                yield from records_from_value(value, (), raw, Key(source, row), how, report)
    except StreamError as error:
        yield Malformed(Key(source, row + 1), str(error))


def _detect_text(first: list[bytes], sniffed: OnDetect | None, note: OnDetect) -> str:
    """Decided once a stream, by its first lines.

    A later line `User: x` in a file of prompts must not swallow what follows, and nobody who writes into a pipe may say
    how what others write is read.
    """
    texts = [line.decode(errors="replace") for line in first]
    is_table = bool(texts) and csv_table.matches(texts[0])
    if not is_table and not (texts and transcript.is_likely(texts[0], texts[1:])):
        return "lines"
    name, words = (_CSV, "a CSV header") if is_table else ("transcript", "a turn of a transcript")
    if sniffed is None:
        note(f"the first line looks like {words}; from a pipe each line is one message: --input-format {name} reads it")
        return "lines"
    sniffed(
        f"read as {'CSV' if is_table else 'a transcript'}, by its first line; --input-format lines reads it as text"
    )
    return name


def _json_records(
    values: Iterator[Frame | BadFrame], source: str, how: ReadOptions, report: OnDetect
) -> Iterator[Record | Malformed]:
    line, count = 0, 0
    for value in values:
        count = count + 1 if value.line == line else 0
        line = value.line
        key = Key(source, line, str(count) if count else None)
        if isinstance(value, BadFrame):
            yield Malformed(key, value.reason, before=value.before)
        elif value.before:
            yield from _behind(value.before, records_from_bytes(value, key, how, report))
        else:
            yield from records_from_bytes(value, key, how, report)


def _once(report: OnDetect) -> OnDetect:
    seen: set[str] = set()

    def first_time(name: str) -> None:
        if name not in seen:
            seen.add(name)
            report(name)

    return first_time


def _ignore(name: str) -> None:
    """Nobody wants to know."""
