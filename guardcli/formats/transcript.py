"""Plain text in which lines begin with who speaks: `User: …`, `**Assistant:** …`, `<user> …`, `[user] …`.

A message goes on until the next such line. A blank line before a user's line ends a conversation, and so does
a line `---`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardcli.conversation import Conversation, Key, Malformed, Message, Record, Role
from guardcli.formats import decoding, roles
from guardcli.formats.faults import Unreadable, shown, too_long
from guardcli.formats.pieces import Chunk, Fault, Line
from guardcli.formats.reader import Reader

_WORDS = "|".join(word for role in ("user", "assistant", "system") for word in roles.WORDS[role])
_TURN = re.compile(
    rf"(?:\*\*(?:{_WORDS})(?:\*\*:|:\*\*)|<(?:{_WORDS})>:?|\[(?:{_WORDS})\]:?|(?:{_WORDS}):)", re.IGNORECASE
)


def matches(first: str) -> bool:
    """Text that begins with this line is a transcript: it begins with a user or an assistant."""
    return _speaker(first) in ("user", "assistant")


def records(reader: Reader, source: str, limit: int) -> Iterator[Record | Malformed]:
    for block in _blocks(reader, limit):
        key = Key(source, block.line)
        try:
            if isinstance(block, Fault):
                raise Unreadable(block.reason)
            said = _messages(decoding.text(block.content, block.line))
            yield Record(
                key, Conversation(said), raw=block.content.rstrip(b"\n") + b"\n"
            )  # a blank line parts conversations
        except Unreadable as error:
            yield Malformed(key, error.reason)


def _blocks(reader: Reader, limit: int) -> Iterator[Chunk | Fault]:
    """The lines of each conversation, or that they are too many, which is said as soon as it is known."""
    block: list[bytes] = []
    start, size, blank = 0, 0, False
    for line in reader.lines(limit):
        separator = line.content.rstrip() == b"---"
        if separator or (blank and _speaker(_beginning(line)) == "user"):
            yield from _finished(start, block)
            block, size = [], 0
        blank = line.whole and not line.content.strip()
        if separator or (blank and not size):
            continue
        start = start if size else line.number
        fitted = size <= limit
        size += len(line.content) + (size > 0) if line.whole else limit + 1
        if size <= limit:
            block.append(line.content)
        elif fitted:
            block = []
            yield Fault(start, too_long("the conversation", limit))
    yield from _finished(start, block)


def _finished(start: int, block: list[bytes]) -> Iterator[Chunk]:
    if block:
        yield Chunk(start, b"\n".join(block))


def _messages(text: str) -> tuple[Message, ...]:
    said: list[tuple[Role, list[str]]] = []
    for line in text.split("\n"):
        if speaker := _speaker(line):
            said.append((speaker, [_TURN.sub("", line, count=1)]))
        elif said:
            said[-1][1].append(line)
        else:
            raise Unreadable(f"text before the first speaker (such as `User:`): {shown(line)}")
    return tuple(Message(role, "\n".join(lines).strip()) for role, lines in said)


def _speaker(line: str) -> Role | None:
    found = _TURN.match(line)
    return roles.role(found[0].strip("*<[]>:"), 0) if found else None


def _beginning(line: Line) -> str:
    """Enough of a line to know its speaker, even if it is no text."""
    return line.content[:100].decode(errors="replace")
