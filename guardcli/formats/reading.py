"""Read a stream of bytes as records: detect how it is cut into frames, and make the records of each frame.

    bytes ── source ──► lines ── frame_formats ──► Frame ── records ──► JSON ── registry ──► Record | Malformed

The format is detected by content, never by the name of a file. That of the input is detected once, by its first lines;
that of a JSON record by the record, so that one input may mix them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import BinaryIO

from guardcli.conversation import Key, Malformed, Record
from guardcli.formats import magic
from guardcli.formats.compiled_options import CompiledOptions
from guardcli.formats.errors import StreamError
from guardcli.formats.frame_formats import FRAME_FORMATS, detect
from guardcli.formats.input_stream import InputStream, StreamPart
from guardcli.formats.line_reader import LineReader
from guardcli.formats.read_report import ReadReport
from guardcli.formats.records import make_records
from guardcli.formats.source import iter_raw, iter_utf8
from guardcli.text.escaping import escape_terminal

_log = logging.getLogger(__name__)


def read(
    stream: BinaryIO, part: StreamPart, options: CompiledOptions, report: ReadReport
) -> Iterator[Record | Malformed]:
    """Yield every record of a stream in order, each as soon as it is complete.

    A record with several conversations yields several `Record`s: `key.part` has the name of each, such as "chosen". Of
    several values on one line, the second and later ones have their number as `part`: "1", "2".
    """
    report.source = source = part.source
    opened = _open(stream, part, options)
    start, line, index = part.start, 0, 0
    try:
        name = part.record_lines or _detect(opened, options, report)
        format = FRAME_FORMATS[name]
        if format.one_line:
            opened.reader.skip_to_line(start)
        for frame in format.module.iter_frames(opened):
            number = frame.line
            index = index + 1 if number == line else 0
            line = number
            if line >= start:
                key = Key(source, line, str(index)) if index else Key(source, line)
                yield from make_records(frame, key, options, report)
    except StreamError as error:
        yield Malformed(Key(source, opened.reader.line), error.reason, error.code)


def find_record_lines(stream: BinaryIO, options: CompiledOptions) -> str | None:
    """Return the format of each line of a file, if every record is on a line of its own.

    Returns None if records may span lines, and for compressed files and Parquet.
    """
    head = stream.read(len(magic.ZSTD))
    stream.seek(0)
    if head.startswith((magic.GZIP, magic.ZSTD)):
        return None
    try:
        name = detect(_open(stream, StreamPart(""), options), options).name
    except StreamError:
        return None
    return name if FRAME_FORMATS[name].one_line else None


def _open(stream: BinaryIO, part: StreamPart, options: CompiledOptions) -> InputStream:
    """Prepare a stream for reading; nothing is read yet. A part of a file is neither compressed nor checked."""
    chunks = iter_utf8(stream) if part.record_lines is None else iter_raw(stream)
    reader = LineReader(chunks, options.max_record_bytes, part.first_line)
    return InputStream(stream, reader, part.start, format_given=bool(options.frame_format or options.record_format))


def _detect(opened: InputStream, options: CompiledOptions, report: ReadReport) -> str:
    """Return the name of the input's format, and report it if the user has not given it."""
    detection = detect(opened, options)
    if detection.note:
        report.notes.append((report.source, detection.note))
        _log.warning("%s: %s", escape_terminal(report.source), detection.note)
    if detection.is_text and any(opened.reader.peek_lines()[:1]):
        report.add_format(detection.name)
    return detection.name
