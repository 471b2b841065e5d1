"""Plain text in which every line that is not blank is one user's message."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.formats import decoding
from guardcli.formats.faults import Unreadable, too_long
from guardcli.formats.pieces import Line
from guardcli.formats.reader import Reader
from guardcli.formats.structure import bare, kept, looks_like_record

Item = Record | Malformed


def matches(first: str) -> bool:
    """Any text can be read so."""
    return True


def records(
    reader: Reader, source: str, limit: int, refused: Callable[[bytes], str | None] = lambda _line: None
) -> Iterator[Item]:
    """A record a line; none of a blank one. `refused` gives the reason why a line is not to be taken as text."""
    blank = b""
    for line in reader.lines(limit):
        if line.whole and not bare(line.content).strip():
            blank = kept(blank, line)
            continue
        yield _record(line, Key(source, line.number), limit, blank, refused)
        blank = b""


def records_among_others(reader: Reader, source: str, limit: int) -> Iterator[Record | Malformed]:
    """The same, where nobody says that all lines are text: one that looks like a record of another format is none, and
    is not passed as harmless text either."""
    return records(reader, source, limit, looks_like_record)


def _record(line: Line, key: Key, limit: int, before: bytes, refused: Callable[[bytes], str | None]) -> Item:
    if not line.whole:
        return Malformed(key, too_long("the line", limit), before=before)
    try:
        said = Message("user", decoding.text(bare(line.content), line.number))
        if reason := refused(line.content):
            raise Unreadable(reason)
        return Record(key, Conversation((said,)), raw=line.content + line.end, before=before)
    except Unreadable as error:
        return Malformed(key, error.reason, before=before)
