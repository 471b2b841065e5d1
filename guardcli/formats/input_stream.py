"""An open input, and which part of which file it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from guardcli.formats.line_reader import LineReader


@dataclass(frozen=True, slots=True)
class StreamPart:
    """The place of a stream in an input, and where to begin in it.

    Attributes:
        source: the name of the input in the keys.
        start: the first line of the input to yield records from.
        first_line: the number of the stream's first line, where the stream is a part of a file.
        record_lines: for a part of a file, the result of `find_record_lines` for that file.
    """

    source: str
    start: int = 1
    first_line: int = 1
    record_lines: str | None = None


@dataclass(frozen=True, slots=True)
class InputStream:
    """An input to be cut into frames. Lines come from `reader`; `stream` is for what is read from its end.

    `format_given` says whether the user has named the format. Where it was detected, the text of a stranger may look
    like another one.
    """

    stream: BinaryIO
    reader: LineReader
    start: int = 1
    format_given: bool = False

    @property
    def is_file(self) -> bool:
        """Whether the whole input exists already: a writer to a pipe must not decide how it is read."""
        try:
            return self.stream.seekable()
        except (OSError, AttributeError, ValueError):
            return False
