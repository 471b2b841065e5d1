"""Plain text in which every line that is not blank is one user's message."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.formats import decoding
from guardcli.formats.errors import RecordError, too_long_message
from guardcli.formats.layout import append_blank, plain_text_problem, strip_marks
from guardcli.formats.line_reader import LineReader

Item = Record | Malformed


def matches(first: str) -> bool:
    """Any text can be read so."""
    return True


def read_records(
    reader: LineReader, source: str, limit: int, refused: Callable[[bytes], str | None] | None = None
) -> Iterator[Item]:
    """A record a line; none of a blank one. `refused` gives the reason why a line is not to be taken as text."""
    blank = b""
    for line in reader.iter_lines(limit):
        number, passed, whole, end = line
        content = strip_marks(passed)
        if whole and (not content or content.isspace()):
            blank = append_blank(blank, line)
            continue
        key = Key(source, number)
        try:
            if not whole:
                raise RecordError(too_long_message("the line", limit))
            said = Message("user", decoding.decode_text(content, number))
            if refused is not None and (reason := refused(content)):
                raise RecordError(reason)
            yield Record(key, Conversation((said,)), raw=passed + end, before=blank)
        except RecordError as error:
            yield Malformed(key, error.reason, before=blank)
        blank = b""


def read_detected_records(reader: LineReader, source: str, limit: int) -> Iterator[Record | Malformed]:
    """The same, where nobody says that all lines are text: one that looks like a record of another format is none, and
    is not passed as harmless text either."""
    return read_records(reader, source, limit, plain_text_problem)
