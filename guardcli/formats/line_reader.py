"""Read chunks of bytes line by line, in bounded memory however long a line is."""

from __future__ import annotations

from collections.abc import Iterator

from guardcli.formats.frames import RawLine

_SKIP_SIZE = 1 << 20  # bytes to skip at once; a longer line takes several steps


class LineReader:
    """Reads lines, or fragments of lines, and counts them.

    `line` is the number of the line that the next byte belongs to.
    """

    def __init__(self, chunks: Iterator[bytes], line: int = 1) -> None:
        self.line = line
        self._chunks = chunks
        self._buffer = b""
        self._position = 0

    def read_fragment(self, size: int) -> bytes:
        """Read up to `size` bytes, but no further than the end of the line. Returns b"" at the end of the stream."""
        parts = []
        while size and (self._position < len(self._buffer) or self._fill()):
            newline = self._buffer.find(b"\n", self._position, self._position + size)
            stop = newline + 1 if newline >= 0 else min(len(self._buffer), self._position + size)
            parts.append(self._buffer[self._position : stop])
            size -= stop - self._position
            self._position = stop
            if newline >= 0:
                self.line += 1
                break
        return b"".join(parts)

    def push_back(self, content: bytes) -> None:
        """Put back the bytes that were read last."""
        self._buffer = content + self._buffer[self._position :]
        self._position = 0
        self.line -= content.count(b"\n")

    def peek_buffered_lines(self, offset: int) -> list[bytes]:
        """Return the lines in the buffer from `offset` bytes after the position on, without reading the stream."""
        return self._buffer[self._position + offset :].splitlines(keepends=True)

    def skip_to_line(self, line: int) -> None:
        """Skip everything before a line."""
        while self.line < line and self.read_fragment(_SKIP_SIZE):
            pass

    def iter_lines(self, limit: int) -> Iterator[RawLine]:
        """Yield every line. Of a line longer than `limit` bytes, yield the beginning and skip the rest."""
        number = self.line
        while fragment := self.read_fragment(limit + 2):  # two more for its end
            content = _without_end(fragment)
            whole = len(content) <= limit
            yield RawLine(number, content[:limit], whole, fragment[len(content) :] if whole else b"")
            while not fragment.endswith(b"\n") and fragment:
                fragment = self.read_fragment(limit)
            number = self.line

    def _fill(self) -> bool:
        self._buffer, self._position = next(self._chunks, b""), 0
        return bool(self._buffer)


def _without_end(line: bytes) -> bytes:
    return line[:-1].removesuffix(b"\r") if line.endswith(b"\n") else line
