"""Plain text: every line that is not blank is one user message."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.formats import decoding
from guardcli.formats.errors import RecordError, too_long_message
from guardcli.formats.layout import append_blank, plain_text_problem, strip_marks
from guardcli.formats.line_reader import LineReader

Item = Record | Malformed


def matches(first: str) -> bool:
    """Return true: any text can be read as lines."""
    return True


def read_records(
    reader: LineReader, source: str, limit: int, find_problem: Callable[[bytes], str | None] | None = None
) -> Iterator[Item]:
    """Yield a record for each line that is not blank.

    `find_problem` returns why a line must not be read as text, or None.
    """
    blank = b""
    for line in reader.iter_lines(limit):
        number, raw, whole, end = line
        content = strip_marks(raw)
        if whole and (not content or content.isspace()):
            blank = append_blank(blank, line)
            continue
        key = Key(source, number)
        try:
            if not whole:
                raise RecordError(too_long_message("the line", limit))
            message = Message("user", decoding.decode_text(content, number))
            if find_problem is not None and (reason := find_problem(content)):
                raise RecordError(reason)
            yield Record(key, Conversation((message,)), {}, raw + end, False, blank)  # keywords would take longer
        except RecordError as error:
            yield Malformed(key, error.reason, before=blank)
        blank = b""


def read_detected_records(reader: LineReader, source: str, limit: int) -> Iterator[Record | Malformed]:
    """Yield the same records where the format was detected, not given.

    A line that looks like a JSON record is malformed then: it is likely to be one, and must not pass as harmless text.
    """
    return read_records(reader, source, limit, plain_text_problem)
