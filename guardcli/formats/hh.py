"""Preference data: `chosen` and `rejected`, two conversations a record; or one `transcript`.

HH-RLHF writes each as one text, in which turns begin with `Human:` or `Assistant:` at the start or after a blank line.
Newer data sets have lists of messages, or only the answers, and the `prompt` as a text or a list of messages.
"""

from __future__ import annotations

import re

from guardcli.conversation import Conversation, Json, Message, NamedConversations
from guardcli.formats import messages, roles
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type

_PARTS = ("chosen", "rejected", "transcript")
_TURN = re.compile(r"(?:\A\s*|\r?\n\r?\n)(Human|Assistant):")


def matches(value: Json) -> bool:
    return isinstance(value, dict) and any(value.get(part) is not None for part in _PARTS)


def parse(value: Json, claims: Claims) -> NamedConversations:
    assert isinstance(value, dict)  # by `matches`
    parts = [part for part in _PARTS if value.get(part) is not None]
    has_prompt = bool(value.get("prompt"))
    answers = [(part, _read_messages(value, part, claims, has_prompt=has_prompt)) for part in parts]
    # If the conversations are complete, the prompt stays unclaimed: it must be a copy of what is in them.
    are_answers = has_prompt and all(not turns or turns[0].role == "assistant" for _, turns in answers)
    prompt = _read_prompt(value, claims) if are_answers else ()
    conversations: NamedConversations = [(part, Conversation((*prompt, *turns))) for part, turns in answers]
    return [(None, conversations[0][1])] if parts == ["transcript"] else conversations


def _read_prompt(value: dict[str, Json], claims: Claims) -> tuple[Message, ...]:
    """Return the messages of the prompt that the answers follow."""
    prompt = value.get("prompt")
    if isinstance(prompt, list) and prompt:
        return messages.read_messages(prompt, "prompt", claims)
    if not isinstance(prompt, str) or not prompt.strip():
        return ()
    claims.claim(value, "prompt")
    return (Message("user", prompt),)


def _read_messages(value: dict[str, Json], name: str, claims: Claims, *, has_prompt: bool) -> tuple[Message, ...]:
    item = value[name]
    if isinstance(item, str):
        claims.claim(value, name)
        if has_prompt and item.strip() and not _TURN.match(item):
            return (Message("assistant", item),)
        return _parse_turns(item, name)
    if not isinstance(item, list):
        raise RecordError(
            f"{name} is {describe_type(item)}; it must be a transcript or a list of messages", code="record/wrong-type"
        )
    try:
        return messages.read_messages(item, "the list", claims)
    except RecordError as error:
        raise RecordError(f"{name}: {error.reason}", code=error.code) from None


def _parse_turns(transcript: str, name: str) -> tuple[Message, ...]:
    before, *rest = _TURN.split(transcript)
    if before.strip():
        raise RecordError(f"{name}: there is text before the first `Human:` or `Assistant:`", code="record/no-speaker")
    if not rest:
        raise RecordError(f"empty conversation: {name} is blank", code="record/empty-conversation")
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return tuple(Message(roles.parse_role(word, n), text.strip()) for n, (word, text) in enumerate(pairs, start=1))
