"""Lines and fragments of lines out of pieces of bytes, with a place to put back what was read too far.

Memory is bounded by the size asked for, however long a line is. It knows nothing of what the lines mean.
"""

from __future__ import annotations

from collections.abc import Iterator

from guardcli.formats.frames import RawLine

_SKIP_SIZE = 1 << 20  # bytes passed over at once; a longer line takes several


class LineReader:
    """The position in a source. `line` is the number of the line that the next byte belongs to, from 1 unless said."""

    def __init__(self, pieces: Iterator[bytes], line: int = 1) -> None:
        self.line = line
        self._pieces = pieces
        self._buffer = b""
        self._at = 0

    def read_fragment(self, size: int) -> bytes:
        """Up to `size` bytes, to the next line end at most and with it; nothing at the end of the source."""
        parts = []
        while size and (self._at < len(self._buffer) or self._fill()):
            newline = self._buffer.find(b"\n", self._at, self._at + size)
            stop = newline + 1 if newline >= 0 else min(len(self._buffer), self._at + size)
            parts.append(self._buffer[self._at : stop])
            size -= stop - self._at
            self._at = stop
            if newline >= 0:
                self.line += 1
                break
        return b"".join(parts)

    def push_back(self, content: bytes) -> None:
        """Put back what was read last."""
        self._buffer = content + self._buffer[self._at :]
        self._at = 0
        self.line -= content.count(b"\n")

    def peek_buffered_lines(self, start: int) -> list[bytes]:
        """The whole lines that are in memory already, from a byte on counted from the position; nothing is read."""
        return self._buffer[self._at + start :].splitlines(keepends=True)

    def skip_to_line(self, line: int) -> None:
        """Pass over what comes before a line, quickly."""
        while self.line < line and self.read_fragment(_SKIP_SIZE):
            pass

    def iter_lines(self, limit: int) -> Iterator[RawLine]:
        """Every line; of one that is longer than `limit` bytes its beginning, and the rest is passed over."""
        number = self.line
        while fragment := self.read_fragment(limit + 2):  # two more for its end
            content = _without_end(fragment)
            whole = len(content) <= limit
            yield RawLine(number, content[:limit], whole, fragment[len(content) :] if whole else b"")
            while not fragment.endswith(b"\n") and fragment:
                fragment = self.read_fragment(limit)
            number = self.line

    def _fill(self) -> bool:
        self._buffer, self._at = next(self._pieces, b""), 0
        return bool(self._buffer)


def _without_end(line: bytes) -> bytes:
    return line[:-1].removesuffix(b"\r") if line.endswith(b"\n") else line
