"""Read a stream of bytes as records: detect how it is laid out, cut it into frames, and parse each frame.

    bytes ── source ──► lines ── layout, csv_table, parquet ──► frames ── registry ──► Record | Malformed
                          └───── text_lines, transcript ─────────────────────────────► Record | Malformed

The format is detected by content, never by the name of a file. JSON formats are detected record by record, so that one
input may mix them; text, CSV and Parquet are detected once for the whole input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO, Literal, TypeAlias

from guardcli.conversation import Key, Malformed, Record
from guardcli.formats import csv_table, magic, parquet, text_lines, transcript
from guardcli.formats.errors import StreamError, too_long_message
from guardcli.formats.frames import BadFrame, Frame
from guardcli.formats.layout import detect_layout, iter_frames, peek_first_line, peek_lines
from guardcli.formats.line_reader import LineReader
from guardcli.formats.paths import parse_path, parse_paths
from guardcli.formats.registry import (
    FORMATS,
    OnDetect,
    OnText,
    RecordOptions,
    records_from_bytes,
    records_from_value,
)
from guardcli.formats.source import iter_raw, iter_utf8
from guardcli.formats.unread_text import NO_IGNORED_PATHS, IgnoredPaths

_TEXT_FORMATS = ("lines", "transcript")
_CSV = "csv"  # a table whose rows are JSON objects, each of a format of its own
_JSONL = "jsonl"  # JSON values, each of a format of its own
INPUT_FORMATS: tuple[str, ...] = (*FORMATS, *_TEXT_FORMATS, _CSV, _JSONL)

# What the lines of a file hold if every record is on one line, so that the file can be split between any two lines.
RecordLines: TypeAlias = Literal["json", "text"]

OnNote: TypeAlias = Callable[[str], None]  # receives a sentence for the user

# How an input is cut into records. "json" has one JSON value a line, "json values" has values that span lines.
_Framing: TypeAlias = Literal["json", "text", "json values", "csv", "transcript"]


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
    on_note: OnNote | None = None,
    on_text: OnText | None = None,
) -> Iterator[Record | Malformed]:
    """Yield every record of a stream in order, each as soon as it is complete.

    A record with several conversations yields several `Record`s: `key.part` has the name of each, such as "chosen". Of
    several values on one line, the second and later ones have their number as `part`: "1", "2".

    Args:
        source: The name of the stream in the keys.
        format: One of `INPUT_FORMATS`; detected if not given.
        messages_path: Where in a JSON record the conversation is, such as `payload.chat[0].messages`.
        max_record_bytes: A longer record is malformed.
        start: The first line to yield records from.
        first_line: The number of the stream's first line, where the stream is a part of a file.
        record_lines: The result of `find_record_lines` for that file.
        ignore: Comma-separated paths of metadata, such as `title,messages[].note`.
        text_fields: Paths of text to judge in addition, as user messages.
        on_detect: Called with the name of each detected format, once for each.
        on_note: Called with sentences that the user should see, once for each.
        on_text: Called with (path, text, status) for each text of a JSON record; see `TextStatus`.

    Raises:
        ValueError: The format is unknown, or a path is invalid.
    """
    if format not in (None, *INPUT_FORMATS):
        raise ValueError(f"unknown format {format!r}; known are {', '.join(INPUT_FORMATS)}")
    on_detect, on_note = _once(on_detect or _discard), _once(on_note or _discard)
    options = RecordOptions(
        format=format,
        messages_path=parse_path(messages_path) if messages_path else (),
        start=start,
        ignored=IgnoredPaths.from_text(ignore) if ignore else NO_IGNORED_PATHS,
        text_fields=tuple(path for field in text_fields for path in sorted(parse_paths(field))),
        on_text=on_text,
    )
    if record_lines is None and parquet.is_parquet(stream):
        yield from _read_parquet(stream, source, options, max_record_bytes, on_detect)
        return
    reader = LineReader(iter_utf8(stream) if record_lines is None else iter_raw(stream), first_line)
    try:
        framing = record_lines or _detect_framing(
            reader, options, max_record_bytes, is_file=_is_file(stream), on_detect=on_detect, on_note=on_note
        )
        yield from _read_frames(reader, source, options, max_record_bytes, on_detect, framing)
    except StreamError as error:
        yield Malformed(Key(source, reader.line), str(error))


def find_record_lines(
    stream: BinaryIO, *, format: str | None = None, messages_path: str | None = None, max_record_bytes: int = 1 << 20
) -> RecordLines | None:
    """Return what each line of a file holds, if every record is on a line of its own.

    Returns None if records may span lines, and for compressed files and Parquet. The arguments are those of `read`.
    """
    if parquet.is_parquet(stream):
        return None
    head = stream.read(len(magic.ZSTD))
    stream.seek(0)
    if head.startswith((magic.GZIP, magic.ZSTD)):
        return None
    options = RecordOptions(format=format, messages_path=parse_path(messages_path) if messages_path else ())
    reader = LineReader(iter_utf8(stream))
    try:
        framing = _detect_framing(reader, options, max_record_bytes, is_file=True, on_detect=_discard, on_note=_discard)
    except StreamError:
        return None
    return framing if framing == "json" or framing == "text" else None


def _is_file(stream: BinaryIO) -> bool:
    """Return whether the whole input exists already: a writer to a pipe must not decide how it is read."""
    try:
        return stream.seekable()
    except (OSError, AttributeError, ValueError):
        return False


def _detect_framing(
    reader: LineReader,
    options: RecordOptions,
    limit: int,
    *,
    is_file: bool,
    on_detect: OnDetect,
    on_note: OnNote,
) -> _Framing:
    """Detect how the input is cut into records, by its first lines, which stay in the reader.

    CSV and transcripts are detected in files only.
    """
    format = options.format
    layout = "text" if format in (*_TEXT_FORMATS, _CSV) else detect_layout(reader, limit)
    is_detected = format is None and layout == "text"
    name = _detect_text_format(peek_lines(reader, limit), is_file, on_note) if is_detected else format
    is_json = format in (*FORMATS, _JSONL) or (is_detected and options.messages_path and name != _CSV)
    if layout != "text" or is_json:
        return "json values" if layout == "json values" else "json"
    if is_detected and peek_first_line(reader, limit):
        on_detect(str(name))
    if name == _CSV:
        return "csv"
    return "transcript" if name == "transcript" else "text"


def _detect_text_format(first_lines: list[bytes], is_file: bool, on_note: OnNote) -> str:
    """Return "lines", "transcript" or "csv", by the first lines of an input that is not JSON.

    This is decided once a stream. A later line `User: x` in a file of prompts must not swallow the lines after it, and
    nobody who writes to a pipe may change how the text of others is read.
    """
    lines = [line.decode(errors="replace") for line in first_lines]
    is_table = bool(lines) and csv_table.matches(lines[0])
    if not is_table and not (lines and transcript.is_likely(lines[0], lines[1:])):
        return "lines"
    name, words = (_CSV, "a CSV header") if is_table else ("transcript", "a turn of a transcript")
    if not is_file:
        on_note(
            f"the first line looks like {words}; from a pipe each line is one message: --input-format {name} reads it"
        )
        return "lines"
    on_note(
        f"read as {'CSV' if is_table else 'a transcript'}, by its first line; --input-format lines reads it as text"
    )
    return name


def _read_frames(
    reader: LineReader, source: str, options: RecordOptions, limit: int, on_detect: OnDetect, framing: _Framing
) -> Iterator[Record | Malformed]:
    """Yield the records from line `options.start` on.

    Lines before it are skipped where each is a record of its own; otherwise their records are read and dropped.
    """
    if framing in ("json", "text"):
        reader.skip_to_line(options.start)
    records: Iterator[Record | Malformed]
    if framing in ("json", "json values"):
        record_options = replace(options, format=None) if options.format == _JSONL else options
        frames = iter_frames(reader, limit, "json values" if framing == "json values" else "json lines")
        records = _read_json(frames, source, record_options, on_detect)
    elif framing == "csv":
        records = _read_csv(reader, source, options, limit, on_detect)
    elif framing == "transcript":
        records = transcript.read_records(reader, source, limit, allow_system=options.format is not None)
    elif options.format:
        records = text_lines.read_records(reader, source, limit)
    else:
        records = text_lines.read_detected_records(reader, source, limit)
    yield from records if options.start <= 1 else (row for row in records if row.key.line >= options.start)


def _read_json(
    frames: Iterator[Frame | BadFrame], source: str, options: RecordOptions, on_detect: OnDetect
) -> Iterator[Record | Malformed]:
    """Yield the records of JSON values; several on one line are numbered in `Key.part`."""
    line, index = 0, 0
    for frame in frames:
        index = index + 1 if frame.line == line else 0
        line = frame.line
        key = Key(source, line, str(index) if index else None)
        if isinstance(frame, BadFrame):
            yield Malformed(key, frame.reason, before=frame.before)
        elif frame.before:
            yield from _attach_before(frame.before, records_from_bytes(frame, key, options, on_detect))
        else:
            yield from records_from_bytes(frame, key, options, on_detect)


def _read_csv(
    reader: LineReader, source: str, options: RecordOptions, limit: int, on_detect: OnDetect
) -> Iterator[Record | Malformed]:
    """Yield the records of a table: one a row, on the line where the row begins."""
    row_options = replace(options, format=None if options.format == _CSV else options.format)
    for row in csv_table.iter_rows(reader, limit):
        if isinstance(row, BadFrame):
            yield Malformed(Key(source, row.line), row.reason, before=row.before)
        elif row.line >= options.start:
            records = records_from_value(
                row.value,
                flags=(),
                raw=row.raw,
                key=Key(source, row.line),
                options=row_options,
                on_detect=on_detect,
            )
            yield from _attach_before(row.before, records)


def _read_parquet(
    stream: BinaryIO, source: str, options: RecordOptions, limit: int, on_detect: OnDetect
) -> Iterator[Record | Malformed]:
    """Yield the records of a Parquet file: one a row, whose number is the line of the key."""
    if options.format in (*_TEXT_FORMATS, _CSV):
        reason = f"this is Parquet: --input-format {options.format} reads text; leave it out"
        yield Malformed(Key(source, 1), reason)
        return
    if options.format == _JSONL:
        options = replace(options, format=None)
    row = options.start - 1
    try:
        for row, value, raw in parquet.iter_rows(stream, options.start):
            if len(raw) > limit:
                yield Malformed(Key(source, row), too_long_message("the row", limit))
            else:
                yield from records_from_value(
                    value, flags=(), raw=raw, key=Key(source, row), options=options, on_detect=on_detect
                )
    except StreamError as error:
        yield Malformed(Key(source, row + 1), str(error))


def _attach_before(before: bytes, records: Iterable[Record | Malformed]) -> Iterator[Record | Malformed]:
    """Yield the records, the first with the bytes in front of it."""
    for record in records:
        yield replace(record, before=before) if before else record
        before = b""


def _once(callback: Callable[[str], None]) -> Callable[[str], None]:
    """Return a callback that passes each string on the first time only."""
    seen: set[str] = set()

    def first_time(text: str) -> None:
        if text not in seen:
            seen.add(text)
            callback(text)

    return first_time


def _discard(text: str) -> None:
    """The callback of a caller that has given none."""
