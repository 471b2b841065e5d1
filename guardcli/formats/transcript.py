"""Plain text in which each turn begins with its speaker: `User: …`, `**Assistant:** …`, `<user> …`, `[user] …`.

A message continues until the next such line. A conversation ends at a line `---`, or at a blank line in front of a turn
of the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from guardcli.conversation import Conversation, Message, Role
from guardcli.formats import decoding, roles
from guardcli.formats.errors import RecordError, too_long_message
from guardcli.formats.frames import Frame
from guardcli.formats.input_stream import InputStream
from guardcli.formats.line_reader import LineReader, RawLine, append_blank, strip_marks

UNKNOWN_SPEAKER: Final = "unknown_speaker"  # the flag of a conversation with a line `Name: …` of an unknown speaker

_WORDS = "|".join(word for role in ("user", "assistant", "system") for word in roles.ROLE_WORDS[role])
_TURN = re.compile(
    rf"(?:\*\*(?:{_WORDS})(?:\*\*:|:\*\*)|<(?:{_WORDS})>:?|\[(?:{_WORDS})\]:?|(?:{_WORDS}):)", re.IGNORECASE
)


_UNKNOWN_TURN = re.compile(
    r"(?:\*\*|[<\[])?[^\W\d_][\w.'-]{0,30}(?: [\w.'-]{1,30}){0,2}(?:\*\*:|:\*\*|[>\]]:?|:)(?:\s|\Z)"
)


def matches(stream: InputStream) -> bool:
    """Return whether the first line is a turn, and another turn follows, unless the text is only one line.

    One line `User: …` in a file of prompts must not swallow the lines after it.
    """
    first, *rest = [line.decode(errors="replace") for line in stream.reader.peek_lines()] or [""]
    following = [line for line in rest if line.strip()]
    is_turn = _speaker(first) in ("user", "assistant")
    return is_turn and (not following or any(_speaker(line) or line.strip() == "---" for line in following))


def iter_frames(stream: InputStream) -> Iterator[Frame]:
    """Yield the conversations of a transcript.

    Where the format was detected, a user may have written a line that looks like a system turn, so it stays part of the
    message before it.
    """
    for block in _iter_blocks(stream.reader):
        body = block.body
        if isinstance(body, bytes):
            try:
                body = _parse_turns(decoding.decode_text(body, block.line), allow_system=stream.format_given)
            except RecordError as error:
                body = error
        yield block._replace(body=body)


def _iter_blocks(reader: LineReader) -> Iterator[Frame]:
    """Yield the lines of each conversation. One that is too long is reported as soon as that is known."""
    limit = reader.limit
    block: list[RawLine] = []
    start, size, blank = 0, 0, False
    before = b""
    for line in reader.iter_lines():
        content = strip_marks(line.content)
        separator = content.rstrip() == b"---"
        if separator or (blank and _speaker(_line_start(line)) == "user"):
            yield from _join_lines(start, block, before)
            block, size, before = [], 0, b"" if block else before
        blank = line.whole and not content.strip()
        if separator or (blank and not size):
            before = append_blank(before, line.raw)
            continue
        start = start if size else line.number
        fitted = size <= limit
        size += len(line.content) + (size > 0) if line.whole else limit + 1
        if size <= limit:
            block.append(line)
        elif fitted:
            block = []
            yield Frame(
                start, RecordError(too_long_message("the conversation", limit), code="record/too-long"), before=before
            )
            before = b""
    yield from _join_lines(start, block, before)


def _join_lines(start: int, block: list[RawLine], before: bytes) -> Iterator[Frame]:
    if block:
        content = b"\n".join(strip_marks(line.content) for line in block)
        yield Frame(start, content, b"".join(line.raw for line in block), before)


def _parse_turns(text: str, *, allow_system: bool) -> Conversation:
    """Return the conversation of some turns, flagged if a line looks like the turn of an unknown speaker."""
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
            raise RecordError("there is text before the first speaker (such as `User:`)", code="record/no-speaker")
    messages = tuple(Message(role, "\n".join(lines).strip()) for role, lines in turns)
    return Conversation(messages, flags=(UNKNOWN_SPEAKER,) if has_unknown_speaker else ())


def _speaker(line: str) -> Role | None:
    match = _TURN.match(line)
    return roles.parse_role(match[0].strip("*<[]>:"), 0) if match else None


def _line_start(line: RawLine) -> str:
    """Return enough of a line to recognize its speaker, even if the line is not valid text."""
    return strip_marks(line.content)[:100].decode(errors="replace")
