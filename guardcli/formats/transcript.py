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
from guardcli.formats.structure import bare, kept

UNKNOWN_SPEAKER = "unknown_speaker"  # the flag of a conversation with a line `Name: …` of a speaker that is not known

_WORDS = "|".join(word for role in ("user", "assistant", "system") for word in roles.WORDS[role])
_TURN = re.compile(
    rf"(?:\*\*(?:{_WORDS})(?:\*\*:|:\*\*)|<(?:{_WORDS})>:?|\[(?:{_WORDS})\]:?|(?:{_WORDS}):)", re.IGNORECASE
)


_STRANGER = re.compile(r"(?:\*\*|[<\[])?[^\W\d_][\w.'-]{0,30}(?: [\w.'-]{1,30}){0,2}(?:\*\*:|:\*\*|[>\]]:?|:)(?:\s|\Z)")


def matches(first: str) -> bool:
    """Text that begins with this line is a transcript: it begins with a user or an assistant."""
    return _speaker(first) in ("user", "assistant")


def is_likely(first: str, following: list[str]) -> bool:
    """The same, where nobody says so: another turn follows, unless the text is one line alone.

    One line `User: …` in a file of prompts must not swallow those after it.
    """
    rest = [line for line in following if line.strip()]
    return matches(first) and (not rest or any(_speaker(line) is not None or line.strip() == "---" for line in rest))


def records(reader: Reader, source: str, limit: int, *, trusted: bool = True) -> Iterator[Record | Malformed]:
    """The conversations of a transcript. Where it was only taken for one (`trusted` is false) what somebody writes may
    look like a turn of the system: there it is the text of whoever wrote it."""
    for block in _blocks(reader, limit):
        key = Key(source, block.line)
        try:
            if isinstance(block, Fault):
                raise Unreadable(block.reason)
            said, strangers = _messages(decoding.text(block.content, block.line), trusted=trusted)
            conversation = Conversation(said, flags=(UNKNOWN_SPEAKER,) if strangers else ())
            yield Record(key, conversation, raw=block.raw, before=block.before)
        except Unreadable as error:
            yield Malformed(key, error.reason, before=block.before)


def _blocks(reader: Reader, limit: int) -> Iterator[Chunk | Fault]:
    """The lines of each conversation, or that they are too many, which is said as soon as it is known."""
    block: list[Line] = []
    start, size, blank = 0, 0, False
    before = b""
    for line in reader.lines(limit):
        content = bare(line.content)
        separator = content.rstrip() == b"---"
        if separator or (blank and _speaker(_beginning(line)) == "user"):
            yield from _finished(start, block, before)
            block, size, before = [], 0, b"" if block else before
        blank = line.whole and not content.strip()
        if separator or (blank and not size):
            before = kept(before, line)
            continue
        start = start if size else line.number
        fitted = size <= limit
        size += len(line.content) + (size > 0) if line.whole else limit + 1
        if size <= limit:
            block.append(line)
        elif fitted:
            block = []
            yield Fault(start, too_long("the conversation", limit), before)
            before = b""
    yield from _finished(start, block, before)


def _finished(start: int, block: list[Line], before: bytes) -> Iterator[Chunk]:
    if block:
        raw = b"".join(line.content + line.end for line in block)
        yield Chunk(start, b"\n".join(bare(line.content) for line in block), raw, before)


def _messages(text: str, *, trusted: bool) -> tuple[tuple[Message, ...], bool]:
    """The turns of a transcript, and whether a line seems to be the turn of a speaker that is not known."""
    said: list[tuple[Role, list[str]]] = []
    strangers = False
    for line in text.split("\n"):
        speaker = _speaker(line)
        if speaker and (trusted or speaker in ("user", "assistant")):
            said.append((speaker, [_TURN.sub("", line, count=1)]))
        elif said:
            said[-1][1].append(line)
            strangers = strangers or _STRANGER.match(line) is not None
        else:
            raise Unreadable(f"text before the first speaker (such as `User:`): {shown(line)}")
    return tuple(Message(role, "\n".join(lines).strip()) for role, lines in said), strangers


def _speaker(line: str) -> Role | None:
    found = _TURN.match(line)
    return roles.role(found[0].strip("*<[]>:"), 0) if found else None


def _beginning(line: Line) -> str:
    """Enough of a line to know its speaker, even if it is no text."""
    return bare(line.content)[:100].decode(errors="replace")
