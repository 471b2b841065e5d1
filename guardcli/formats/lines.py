"""Plain text in which every line that is not blank is one user's message."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.formats import decoding
from guardcli.formats.faults import Unreadable, too_long
from guardcli.formats.reader import Reader
from guardcli.formats.structure import bare, kept, looks_like_record

Item = Record | Malformed


def matches(first: str) -> bool:
    """Any text can be read so."""
    return True


def records(
    reader: Reader, source: str, limit: int, refused: Callable[[bytes], str | None] | None = None
) -> Iterator[Item]:
    """A record a line; none of a blank one. `refused` gives the reason why a line is not to be taken as text."""
    blank = b""
    for line in reader.lines(limit):
        number, passed, whole, end = line
        content = bare(passed)
        if whole and (not content or content.isspace()):
            blank = kept(blank, line)
            continue
        key = Key(source, number)
        try:
            if not whole:
                raise Unreadable(too_long("the line", limit))
            said = Message("user", decoding.text(content, number))
            if refused is not None and (reason := refused(content)):
                raise Unreadable(reason)
            yield Record(key, Conversation((said,)), {}, passed + end, False, blank)
        except Unreadable as error:
            yield Malformed(key, error.reason, before=blank)
        blank = b""


def records_among_others(reader: Reader, source: str, limit: int) -> Iterator[Record | Malformed]:
    """The same, where nobody says that all lines are text: one that looks like a record of another format is none, and
    is not passed as harmless text either."""
    return records(reader, source, limit, looks_like_record)
