"""HH-RLHF: `chosen` and `rejected`, two conversations a record, or one `transcript`; each is one text.

Turns begin with `Human:` or `Assistant:` at the start or after a blank line. A list of messages in place of
the text, as newer preference data has it, is read as such.
"""

from __future__ import annotations

import re

from guardcli.conversation import Conversation, Json, Message
from guardcli.formats import openai, roles
from guardcli.formats.faults import Unreadable, kind, shown

_PARTS = ("chosen", "rejected", "transcript")
_TURN = re.compile(r"(?:\A\s*|\r?\n\r?\n)(Human|Assistant):")


def matches(value: Json) -> bool:
    return isinstance(value, dict) and any(value.get(part) is not None for part in _PARTS)


def conversations(value: Json) -> list[tuple[str | None, Conversation]]:
    assert isinstance(value, dict)  # by `matches`
    parts = [part for part in _PARTS if value.get(part) is not None]
    found = [(part, Conversation(_messages(value[part], part))) for part in parts]
    return [(None, found[0][1])] if parts == ["transcript"] else list(found)


def _messages(value: Json, name: str) -> tuple[Message, ...]:
    if isinstance(value, str):
        return _turns(value, name)
    if not isinstance(value, list):
        raise Unreadable(f"{name} is {kind(value)}; it must be a transcript or a list of messages")
    try:
        return openai.messages(value, "the list")
    except Unreadable as error:
        raise Unreadable(f"{name}: {error.reason}") from None


def _turns(transcript: str, name: str) -> tuple[Message, ...]:
    before, *rest = _TURN.split(transcript)
    if before.strip():
        raise Unreadable(f"{name}: text before the first `Human:` or `Assistant:`: {shown(before.strip())}")
    if not rest:
        raise Unreadable(f"empty conversation: {name} is blank")
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return tuple(Message(roles.role(word, n), text.strip()) for n, (word, text) in enumerate(pairs, start=1))
