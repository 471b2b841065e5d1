"""JSON values that span lines, and arrays over lines: split by brackets and quotes alone, in bounded memory.

    [{"id": 1},          two values: the elements of a top-level array, unless it is a list of messages
     {"id": 2}]

Whether a value is valid JSON is found out later, when it is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from guardcli.formats.errors import RecordError, too_long_message
from guardcli.formats.frames import Frame
from guardcli.formats.input_stream import InputStream
from guardcli.formats.json_sniffing import detect_layout, is_message
from guardcli.formats.line_reader import strip_marks

_FRAGMENT_SIZE = 1 << 16
_OUTSIDE = re.compile(rb'["{}\[\],\n]')
_INSIDE = re.compile(rb'["\\\n]')
_OPENING_LINE = re.compile(rb"[ \t]*(?=[{\[])")


def matches(stream: InputStream) -> bool:
    return detect_layout(stream.reader) == "json values"


def iter_frames(stream: InputStream) -> Iterator[Frame]:
    """Yield the bytes of every value, each as soon as it is complete."""
    reader = stream.reader
    line = reader.line
    reader.push_back(strip_marks(reader.read_fragment(_FRAGMENT_SIZE)))
    fragments = iter(partial(reader.read_fragment, _FRAGMENT_SIZE), b"")
    yield from split_values(fragments, line, reader.limit, is_message)


def split_values(
    fragments: Iterable[bytes], line: int, limit: int, is_message: Callable[[bytes], bool]
) -> Iterator[Frame]:
    """Yield the values in fragments of lines; `line` is the number of the first line.

    `is_message` returns whether the bytes of an array's first element are a message, so that the array is one value.
    """
    splitter = _Splitter(line, limit, is_message)
    for fragment in fragments:
        yield from splitter.feed(fragment)
    yield from splitter.end()


class _Splitter:
    """The state of the scan. `_depth` counts the open brackets of the value, without that of an array around it."""

    def __init__(self, line: int, limit: int, is_message: Callable[[bytes], bool]) -> None:
        self._line = line
        self._limit = limit
        self._is_message = is_message
        self._array: int | None = None  # the line of the array whose elements are yielded one by one
        self._in_string = False
        self._escaped = False
        self._line_start = True
        self._clear()

    def _clear(self) -> None:
        self._value = bytearray()
        self._start = self._line
        self._depth = 0
        self._undecided = False  # it is an array of messages or of records; its first element decides
        self._dropped = False  # the value was longer than the limit
        self._indent: int | None = None  # of the value's first line; None if the value does not begin the line
        self._indented = False  # lines within the value are indented more than that, or it is broken anyway

    def feed(self, fragment: bytes) -> Iterator[Frame]:
        if self._line_start:
            yield from self._begin_line(fragment)
        self._line_start = fragment.endswith(b"\n")
        position = 0
        while position < len(fragment):
            if self._escaped:
                self._escaped = False
                if fragment[position : position + 1] != b"\n":
                    self._append(fragment[position : position + 1])
                    position += 1
                    continue
            match = (_INSIDE if self._in_string else _OUTSIDE).search(fragment, position)
            self._append(fragment[position : match.start() if match else None])
            if not match:
                return
            yield from self._in_string_byte(match[0]) if self._in_string else self._structural_byte(match[0])
            position = match.end()

    def end(self) -> Iterator[Frame]:
        if self._depth or self._in_string:
            yield Frame(
                self._start,
                RecordError("cut off: the value that begins here is not closed before the end", code="record/not-json"),
            )
            return
        yield from self._emit()
        if self._array is not None:
            yield Frame(
                self._line,
                RecordError(
                    f"cut off: the array of line {self._array} is not closed before the end", code="record/not-json"
                ),
            )

    def _in_string_byte(self, byte: bytes) -> Iterator[Frame]:
        if byte == b"\n":  # not allowed in a JSON string: its quote is missing
            self._in_string = False
            self._indented = True
            yield from self._newline()
            return
        self._append(byte)
        self._escaped = byte == b"\\"
        self._in_string = byte != b'"'

    def _structural_byte(self, byte: bytes) -> Iterator[Frame]:
        if byte == b"\n":
            yield from self._newline()
        elif byte == b",":
            yield from self._comma()
        elif byte in b"}]":
            yield from self._close(byte)
        else:
            if byte != b'"' and not self._depth:
                yield from self._emit()  # anything before a bracket is a value of its own
            self._append(byte)
            self._in_string = byte == b'"'
            self._undecided |= byte == b"[" and not self._depth and self._array is None
            self._depth += byte != b'"'

    def _newline(self) -> Iterator[Frame]:
        self._append(b"\n")
        if not self._depth:
            yield from self._emit()
        self._line += 1

    def _comma(self) -> Iterator[Frame]:
        if self._undecided and self._depth == 1:
            self._undecided = False
            if not self._is_message(bytes(self._value[1:])):
                self._array = self._start
                yield from self._first_element()
                return
        if self._depth:
            self._append(b",")
        else:
            yield from self._emit()

    def _close(self, byte: bytes) -> Iterator[Frame]:
        if not self._depth and byte == b"]" and self._array is not None:
            yield from self._emit()
            self._array = None
            return
        ends_array = byte == b"]" and self._undecided and self._depth == 1
        element = bytes(self._value[1:]) if ends_array else b""
        if element.strip() and not self._is_message(element):
            yield from self._first_element()
            return
        self._append(byte)
        self._depth -= self._depth > 0
        if not self._depth:
            yield from self._emit()

    def _first_element(self) -> Iterator[Frame]:
        """End the first element of an array of records: drop the bracket in front of it."""
        element = self._value[1:].lstrip()
        self._start += self._value[: len(self._value) - len(element)].count(b"\n")
        self._value = element
        self._depth = 0
        yield from self._emit()

    def _append(self, content: bytes) -> None:
        if not self._value and not self._dropped:
            content = content.lstrip()
            self._start = self._line
        # The bracket in front of an array's first element does not count.
        if len(self._value) + len(content) > self._limit + self._undecided:
            self._drop()
        if not self._dropped:
            self._value += content

    def _drop(self) -> None:
        self._dropped = True
        self._value.clear()
        if self._undecided:  # only the first element is too long; the others may not be
            self._undecided = False
            self._array = self._start
            self._depth -= 1

    def _emit(self) -> Iterator[Frame]:
        if self._dropped:
            yield Frame(self._start, RecordError(too_long_message("the value", self._limit), code="record/too-long"))
        elif self._value:
            yield Frame(self._start, bytes(self._value.rstrip()))
        else:
            return
        self._clear()

    def _begin_line(self, fragment: bytes) -> Iterator[Frame]:
        """Recover from a value that is never closed, where the next value begins a line.

        If the lines within a value are indented, an opening bracket that is not indented begins another value:

            {                   not closed
              "id": 1,
            {                   another value
              "id": 2
            }
        """
        opening = _OPENING_LINE.match(fragment)
        indent = len(fragment) - len(fragment.lstrip(b" \t"))
        if not self._value and not self._dropped:
            self._indent = indent if opening else None
        elif self._indent is None:
            return
        elif opening and self._indented and indent <= self._indent:
            yield Frame(
                self._start,
                RecordError(f"not closed: another value begins on line {self._line}", code="record/not-json"),
            )
            self._clear()
            self._indent = indent
        elif self._start == self._line - 1:
            self._indented |= indent > self._indent
