"""Plain text in which each turn begins with its speaker: `User: …`, `**Assistant:** …`, `<user> …`, `[user] …`.

A message continues until the next such line. A conversation ends at a line `---`, or at a blank line in front of a turn
of the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardcli.conversation import Conversation, Key, Malformed, Message, Record, Role
from guardcli.formats import decoding, roles
from guardcli.formats.errors import RecordError, quote, too_long_message
from guardcli.formats.frames import BadFrame, Frame, RawLine
from guardcli.formats.layout import append_blank, strip_marks
from guardcli.formats.line_reader import LineReader

UNKNOWN_SPEAKER = "unknown_speaker"  # the flag of a conversation with a line `Name: …` of an unknown speaker

_WORDS = "|".join(word for role in ("user", "assistant", "system") for word in roles.ROLE_WORDS[role])
_TURN = re.compile(
    rf"(?:\*\*(?:{_WORDS})(?:\*\*:|:\*\*)|<(?:{_WORDS})>:?|\[(?:{_WORDS})\]:?|(?:{_WORDS}):)", re.IGNORECASE
)


_UNKNOWN_TURN = re.compile(
    r"(?:\*\*|[<\[])?[^\W\d_][\w.'-]{0,30}(?: [\w.'-]{1,30}){0,2}(?:\*\*:|:\*\*|[>\]]:?|:)(?:\s|\Z)"
)


def matches(first: str) -> bool:
    """Return whether a text with this first line is a transcript: it begins with the user or the assistant."""
    return _speaker(first) in ("user", "assistant")


def is_likely(first: str, following: list[str]) -> bool:
    """Return whether a text is likely to be a transcript: another turn follows, unless the text is only one line.

    One line `User: …` in a file of prompts must not swallow the lines after it.
    """
    rest = [line for line in following if line.strip()]
    return matches(first) and (not rest or any(_speaker(line) is not None or line.strip() == "---" for line in rest))


def read_records(
    reader: LineReader, source: str, limit: int, *, allow_system: bool = True
) -> Iterator[Record | Malformed]:
    """Yield the conversations of a transcript.

    Where the format was detected, `allow_system` is false: a user may have written the line that looks like a system
    turn, so it stays part of the message before it.
    """
    for block in _iter_frames(reader, limit):
        key = Key(source, block.line)
        try:
            if isinstance(block, BadFrame):
                raise RecordError(block.reason)
            text = decoding.decode_text(block.content, block.line)
            messages, has_unknown_speaker = _parse_turns(text, allow_system=allow_system)
            conversation = Conversation(messages, flags=(UNKNOWN_SPEAKER,) if has_unknown_speaker else ())
            yield Record(key, conversation, raw=block.raw, before=block.before)
        except RecordError as error:
            yield Malformed(key, error.reason, before=block.before)


def _iter_frames(reader: LineReader, limit: int) -> Iterator[Frame | BadFrame]:
    """Yield the lines of each conversation. One that is too long is reported as soon as that is known."""
    block: list[RawLine] = []
    start, size, blank = 0, 0, False
    before = b""
    for line in reader.iter_lines(limit):
        content = strip_marks(line.content)
        separator = content.rstrip() == b"---"
        if separator or (blank and _speaker(_line_start(line)) == "user"):
            yield from _to_frame(start, block, before)
            block, size, before = [], 0, b"" if block else before
        blank = line.whole and not content.strip()
        if separator or (blank and not size):
            before = append_blank(before, line)
            continue
        start = start if size else line.number
        fitted = size <= limit
        size += len(line.content) + (size > 0) if line.whole else limit + 1
        if size <= limit:
            block.append(line)
        elif fitted:
            block = []
            yield BadFrame(start, too_long_message("the conversation", limit), before)
            before = b""
    yield from _to_frame(start, block, before)


def _to_frame(start: int, block: list[RawLine], before: bytes) -> Iterator[Frame]:
    if block:
        raw = b"".join(line.content + line.end for line in block)
        yield Frame(start, b"\n".join(strip_marks(line.content) for line in block), raw, before)


def _parse_turns(text: str, *, allow_system: bool) -> tuple[tuple[Message, ...], bool]:
    """Return the messages of a transcript, and whether a line looks like the turn of an unknown speaker."""
    turns: list[tuple[Role, list[str]]] = []
    has_unknown_speaker = False
    for line in text.split("\n"):
        speaker = _speaker(line)
        if speaker and (allow_system or speaker in ("user", "assistant")):
            turns.append((speaker, [_TURN.sub("", line, count=1)]))
        elif turns:
            turns[-1][1].append(line)
            has_unknown_speaker = has_unknown_speaker or _UNKNOWN_TURN.match(line) is not None
        else:
            raise RecordError(f"text before the first speaker (such as `User:`): {quote(line)}")
    return tuple(Message(role, "\n".join(lines).strip()) for role, lines in turns), has_unknown_speaker


def _speaker(line: str) -> Role | None:
    match = _TURN.match(line)
    return roles.parse_role(match[0].strip("*<[]>:"), 0) if match else None


def _line_start(line: RawLine) -> str:
    """Return enough of a line to recognize its speaker, even if the line is not valid text."""
    return strip_marks(line.content)[:100].decode(errors="replace")
