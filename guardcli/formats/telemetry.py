"""OpenTelemetry's GenAI conventions: `gen_ai.input.messages` and `gen_ai.output.messages`, on a record or in its
`attributes`, as values or as JSON texts of them. The text of a part stands under `content`.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Message
from guardcli.formats import decoding, messages
from guardcli.formats.account import Account
from guardcli.formats.faults import Unreadable, kind

_SYSTEM, _INPUT, _OUTPUT = "gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"
_DIALECT = messages.Dialect(contents=("parts", "content"), part_texts={"text": "content", "reasoning": "content"})


def matches(value: Json) -> bool:
    if not isinstance(value, dict) or "messages" in value:
        return False
    return any(_INPUT in holder or _OUTPUT in holder for holder in _holders(value))


def conversations(value: Json, account: Account) -> list[tuple[str | None, Conversation]]:
    assert isinstance(value, dict)  # by `matches`
    said: list[Message] = []
    for name in (_SYSTEM, _INPUT, _OUTPUT):
        holder = next((holder for holder in _holders(value) if holder.get(name) is not None), None)
        if holder is not None:
            said += _said(holder, name, account, len(said))
    if not said:
        raise Unreadable(f"empty conversation: {_INPUT} has no messages")
    return [(None, Conversation(tuple(said)))]


def _holders(value: dict[str, Json]) -> list[dict[str, Json]]:
    """The record itself, and its attributes."""
    inside = value.get("attributes")
    return [value, inside] if isinstance(inside, dict) else [value]


def _said(holder: dict[str, Json], name: str, account: Account, before: int) -> list[Message]:
    found = _parsed(holder, name, account)
    if name == _SYSTEM:
        return _system(found, holder, name, account)
    if not isinstance(found, list):
        raise Unreadable(f"{name} is {kind(found)}; it must be a list of messages")
    return [messages.read_one(item, before + n, account, _DIALECT) for n, item in enumerate(found, start=1)]


def _system(found: Json, holder: dict[str, Json], name: str, account: Account) -> list[Message]:
    """Instructions as a list of parts, or as text."""
    if not found:
        return []
    inside: dict[str, Json] = {name: found}
    text, skipped = messages.content_of(inside, name, name, account, _DIALECT)
    if isinstance(found, str):
        account.parse(holder, name, inside)
    return [Message("system", text, skipped)]


def _parsed(holder: dict[str, Json], name: str, account: Account) -> Json:
    """Attributes of older exporters can only be text: JSON inside JSON. Instructions may be plain text."""
    value = holder[name]
    if not isinstance(value, str):
        return value
    try:
        found = decoding.value(value.encode("utf-8", "replace"), 1)[0]
    except Unreadable as error:
        if name == _SYSTEM:
            return value
        raise Unreadable(f"{name}: {error.reason}") from None
    if isinstance(found, (dict, list)):
        account.parse(holder, name, found)
    return found
