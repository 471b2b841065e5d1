"""Plain text in which every line that is not blank is one user's message."""

from __future__ import annotations

from collections.abc import Iterator

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.formats import decoding
from guardcli.formats.faults import Unreadable, too_long
from guardcli.formats.pieces import Line
from guardcli.formats.reader import Reader


def matches(first: str) -> bool:
    """Any text can be read so."""
    return True


def records(reader: Reader, source: str, limit: int) -> Iterator[Record | Malformed]:
    for line in reader.lines(limit):
        yield from records_of(line, source, limit)


def records_of(line: Line, source: str, limit: int) -> Iterator[Record | Malformed]:
    """The record of one line; none if it is blank."""
    if line.content.strip() or not line.whole:
        yield _record(line, source, limit)


def _record(line: Line, source: str, limit: int) -> Record | Malformed:
    key = Key(source, line.number)
    if not line.whole:
        return Malformed(key, too_long("the line", limit))
    try:
        said = Message("user", decoding.text(line.content, line.number))
        return Record(key, Conversation((said,)), raw=line.content)
    except Unreadable as error:
        return Malformed(key, error.reason)
