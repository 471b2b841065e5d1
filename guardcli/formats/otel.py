"""OpenTelemetry's GenAI conventions: `gen_ai.input.messages` and `gen_ai.output.messages`, on a record or in its
`attributes`, as values or as JSON texts of them. The text of a part stands under `content`.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Message, NamedConversations
from guardcli.formats import decoding, messages
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type

_SYSTEM, _INPUT, _OUTPUT = "gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"
_DIALECT = messages.Dialect(contents=("parts", "content"), part_texts={"text": "content", "reasoning": "content"})


def matches(value: Json) -> bool:
    if not isinstance(value, dict) or "messages" in value:
        return False
    return any(_INPUT in holder or _OUTPUT in holder for holder in _holders(value))


def parse(value: Json, claims: Claims) -> NamedConversations:
    assert isinstance(value, dict)  # by `matches`
    said: list[Message] = []
    for name in (_SYSTEM, _INPUT, _OUTPUT):
        holder = next((holder for holder in _holders(value) if holder.get(name) is not None), None)
        if holder is not None:
            said += _read_field(holder, name, claims, len(said))
    if not said:
        raise RecordError(f"empty conversation: {_INPUT} has no messages")
    return [(None, Conversation(tuple(said)))]


def _holders(value: dict[str, Json]) -> list[dict[str, Json]]:
    """The record itself, and its attributes."""
    inside = value.get("attributes")
    return [value, inside] if isinstance(inside, dict) else [value]


def _read_field(holder: dict[str, Json], name: str, claims: Claims, before: int) -> list[Message]:
    found = _parse_attribute(holder, name, claims)
    if name == _SYSTEM:
        return _read_system(found, holder, name, claims)
    if not isinstance(found, list):
        raise RecordError(f"{name} is {describe_type(found)}; it must be a list of messages")
    return [messages.read_message(item, before + n, claims, _DIALECT) for n, item in enumerate(found, start=1)]


def _read_system(found: Json, holder: dict[str, Json], name: str, claims: Claims) -> list[Message]:
    """Instructions as a list of parts, or as text."""
    if not found:
        return []
    inside: dict[str, Json] = {name: found}
    text, skipped = messages.read_content(inside, name, name, claims, _DIALECT)
    if isinstance(found, str):
        claims.add_parsed(holder, name, inside)
    return [Message("system", text, skipped)]


def _parse_attribute(holder: dict[str, Json], name: str, claims: Claims) -> Json:
    """Attributes of older exporters can only be text: JSON inside JSON. Instructions may be plain text."""
    value = holder[name]
    if not isinstance(value, str):
        return value
    try:
        found = decoding.decode_json(value.encode("utf-8", "replace"), 1)[0]
    except RecordError as error:
        if name == _SYSTEM:
            return value
        raise RecordError(f"{name}: {error.reason}") from None
    if isinstance(found, (dict, list)):
        claims.add_parsed(holder, name, found)
    return found
