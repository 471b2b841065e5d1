"""Pairs of answers, one preferred: `chosen` and `rejected`, two conversations a record, or one `transcript`.

HH-RLHF writes each as one text, in which turns begin with `Human:` or `Assistant:` at the start or after a blank line.
Newer preference data has lists of messages, or the answers alone behind a `prompt`, a text or a list of messages.
"""

from __future__ import annotations

import re

from guardcli.conversation import Conversation, Json, Message, NamedConversations
from guardcli.formats import messages, roles
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type, quote

_PARTS = ("chosen", "rejected", "transcript")
_TURN = re.compile(r"(?:\A\s*|\r?\n\r?\n)(Human|Assistant):")


def matches(value: Json) -> bool:
    return isinstance(value, dict) and any(value.get(part) is not None for part in _PARTS)


def parse(value: Json, claims: Claims) -> NamedConversations:
    assert isinstance(value, dict)  # by `matches`
    parts = [part for part in _PARTS if value.get(part) is not None]
    has_prompt = bool(value.get("prompt"))
    answers = [(part, _read_messages(value, part, claims, has_prompt=has_prompt)) for part in parts]
    # A prompt that no answer is behind stays unclaimed: it must be said in the conversations themselves.
    alone = has_prompt and all(not said or said[0].role == "assistant" for _, said in answers)
    prompt = _prompt(value, claims) if alone else ()
    found = [(part, Conversation((*prompt, *said))) for part, said in answers]
    return [(None, found[0][1])] if parts == ["transcript"] else list(found)


def _prompt(value: dict[str, Json], claims: Claims) -> tuple[Message, ...]:
    """What the answers are behind, where it stands beside them."""
    prompt = value.get("prompt")
    if isinstance(prompt, list) and prompt:
        return messages.read_messages(prompt, "prompt", claims)
    if not isinstance(prompt, str) or not prompt.strip():
        return ()
    claims.claim(value, "prompt")
    return (Message("user", prompt),)


def _read_messages(value: dict[str, Json], name: str, claims: Claims, *, has_prompt: bool) -> tuple[Message, ...]:
    said = value[name]
    if isinstance(said, str):
        claims.claim(value, name)
        if has_prompt and said.strip() and not _TURN.match(said):
            return (Message("assistant", said),)
        return _parse_turns(said, name)
    if not isinstance(said, list):
        raise RecordError(f"{name} is {describe_type(said)}; it must be a transcript or a list of messages")
    try:
        return messages.read_messages(said, "the list", claims)
    except RecordError as error:
        raise RecordError(f"{name}: {error.reason}") from None


def _parse_turns(transcript: str, name: str) -> tuple[Message, ...]:
    before, *rest = _TURN.split(transcript)
    if before.strip():
        raise RecordError(f"{name}: text before the first `Human:` or `Assistant:`: {quote(before.strip())}")
    if not rest:
        raise RecordError(f"empty conversation: {name} is blank")
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return tuple(Message(roles.parse_role(word, n), text.strip()) for n, (word, text) in enumerate(pairs, start=1))
