"""JSON values that span lines, and arrays over lines, whose elements are values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from guardcli.formats.frames import Frame
from guardcli.formats.input_stream import InputStream
from guardcli.formats.json_sniffing import detect_layout, is_message
from guardcli.formats.line_reader import strip_marks
from guardcli.formats.splitter import split_values

_FRAGMENT_SIZE = 1 << 16


def matches(stream: InputStream) -> bool:
    return detect_layout(stream.reader) == "json values"


def iter_frames(stream: InputStream) -> Iterator[Frame]:
    """Yield the bytes of every value, each as soon as it is complete."""
    reader = stream.reader
    line = reader.line
    reader.push_back(strip_marks(reader.read_fragment(_FRAGMENT_SIZE)))
    fragments = iter(partial(reader.read_fragment, _FRAGMENT_SIZE), b"")
    yield from split_values(fragments, line, reader.limit, is_message)
