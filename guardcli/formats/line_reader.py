"""Read chunks of bytes line by line, in bounded memory however long a line is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from guardcli.formats.magic import UTF8_BOM

_SKIP_SIZE = 1 << 20  # bytes to skip at once; a longer line takes several steps
_MAX_BLANK_BYTES = 1 << 16

_RECORD_SEPARATOR = b"\x1e"
_MARKS = re.compile(b"(?:" + UTF8_BOM + b"|" + _RECORD_SEPARATOR + b")*")
_MARK_FIRST_BYTES = (UTF8_BOM[:1], _RECORD_SEPARATOR)


class RawLine(NamedTuple):
    """One line: its content without the line break, and its bytes with it; the last line of a file may lack it.

    `whole` is false if the line is too long, and both are only its beginning.
    """

    number: int
    content: bytes
    raw: bytes
    whole: bool = True


class LineReader:
    """Reads lines, or fragments of lines, and counts them.

    `line` is the number of the line that the next byte belongs to. `limit` is the size of the longest line in bytes.
    """

    def __init__(self, chunks: Iterator[bytes], limit: int, line: int = 1) -> None:
        self.line = line
        self.limit = limit
        self._chunks = chunks
        self._buffer = b""
        self._position = 0

    def read_fragment(self, size: int) -> bytes:
        """Read up to `size` bytes, but no further than the end of the line. Returns b"" at the end of the stream."""
        start = self._position
        newline = self._buffer.find(b"\n", start, start + size)
        if newline >= 0:  # nearly all lines
            self.line += 1
            self._position = newline + 1
            return self._buffer[start : newline + 1]
        parts = []
        while size and (self._position < len(self._buffer) or self._fill()):
            start = self._position
            newline = self._buffer.find(b"\n", start, start + size)
            self._position = newline + 1 if newline >= 0 else min(len(self._buffer), start + size)
            parts.append(self._buffer[start : self._position])
            if newline >= 0:
                self.line += 1
                break
            size -= self._position - start
        return b"".join(parts)

    def read_line(self) -> bytes:
        """Read a line with its end, or the beginning of a line that is too long. Returns b"" at the end."""
        return self.read_fragment(self.limit + 2)  # two more for its end

    def read_filled_line(self) -> bytes:
        """Read the first line that is not blank, and drop the blank ones."""
        while (line := self.read_line()) and not line.strip():
            pass
        return line

    def push_back(self, content: bytes) -> None:
        """Put back the bytes that were read last."""
        self._buffer = content + self._buffer[self._position :]
        self._position = 0
        self.line -= content.count(b"\n")

    def peek_lines(self) -> list[bytes]:
        """Return the first lines without marks, as far as they are in memory; only the first is waited for.

        They stay in the reader, except for blank lines in front.
        """
        first = self.read_filled_line()
        self.push_back(first)
        following = self._buffer[len(first) :].splitlines(keepends=True)
        return [strip_marks(line) for line in (first, *following)] if first else []

    def skip_to_line(self, line: int) -> None:
        """Skip everything before a line."""
        while self.line < line and self.read_fragment(_SKIP_SIZE):
            pass

    def iter_lines(self) -> Iterator[RawLine]:
        """Yield every line. Of a line longer than the limit, yield the beginning and skip the rest."""
        limit = self.limit
        number = self.line
        while fragment := self.read_fragment(limit + 2):
            content = fragment[:-1].removesuffix(b"\r") if fragment.endswith(b"\n") else fragment
            if len(content) <= limit:
                yield RawLine(number, content, fragment)
            else:
                yield RawLine(number, content[:limit], content[:limit], whole=False)
                while not fragment.endswith(b"\n") and fragment:
                    fragment = self.read_fragment(limit)
            number = self.line

    def _fill(self) -> bool:
        self._buffer, self._position = next(self._chunks, b""), 0
        return bool(self._buffer)


def strip_marks(line: bytes) -> bytes:
    """Return a line without the marks in front of it: byte-order marks, and record separators (RFC 7464).

    A byte-order mark may be on any line, where files were concatenated.
    """
    if line[:1] not in _MARK_FIRST_BYTES:
        return line
    match = _MARKS.match(line)
    return line[match.end() :] if match else line


def append_blank(blank: bytes, line: bytes) -> bytes:
    """Return the blank lines collected so far with one more, up to a limit."""
    return blank + line if len(blank) < _MAX_BLANK_BYTES else blank
