"""JSON Lines: each line holds a value, or the elements of an array, or the messages of one conversation."""

from __future__ import annotations

from collections.abc import Iterator

from guardcli.formats.errors import RecordError, too_long_message
from guardcli.formats.frames import Frame
from guardcli.formats.input_stream import InputStream
from guardcli.formats.json_sniffing import detect_layout, is_message
from guardcli.formats.json_values import split_values
from guardcli.formats.line_reader import append_blank, strip_marks


def matches(stream: InputStream) -> bool:
    return detect_layout(stream.reader) == "json lines"


def iter_frames(stream: InputStream) -> Iterator[Frame]:
    """Yield the bytes of every value, each as soon as its line is complete."""
    limit = stream.reader.limit
    blank = b""
    for line in stream.reader.iter_lines():
        content = strip_marks(line.content)
        if not line.whole:
            yield Frame(
                line.number, RecordError(too_long_message("the line", limit), code="record/too-long"), before=blank
            )
        elif not content.strip():
            blank = append_blank(blank, line.raw)
            continue
        elif content.lstrip().startswith(b"["):
            yield from split_values([content], line.number, limit, is_message)
        else:
            yield Frame(line.number, content, line.raw, blank)
        blank = b""
