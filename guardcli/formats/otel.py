"""OpenTelemetry's GenAI conventions: `gen_ai.input.messages` and `gen_ai.output.messages`.

The attributes are fields of the record, or of its `attributes`, and their values are JSON or JSON as text. The text of
a part is in its field `content`.
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
    return any(_INPUT in attributes or _OUTPUT in attributes for attributes in _attribute_objects(value))


def parse(value: Json, claims: Claims) -> NamedConversations:
    assert isinstance(value, dict)  # by `matches`
    turns: list[Message] = []
    for name in (_SYSTEM, _INPUT, _OUTPUT):
        attributes = next((each for each in _attribute_objects(value) if each.get(name) is not None), None)
        if attributes is not None:
            turns += _read_attribute(attributes, name, claims, len(turns))
    if not turns:
        raise RecordError(f"empty conversation: {_INPUT} has no messages", code="record/empty-conversation")
    return [(None, Conversation(tuple(turns)))]


def _attribute_objects(value: dict[str, Json]) -> list[dict[str, Json]]:
    """Return the objects that may have the attributes: the record itself, and its `attributes`."""
    attributes = value.get("attributes")
    return [value, attributes] if isinstance(attributes, dict) else [value]


def _read_attribute(attributes: dict[str, Json], name: str, claims: Claims, num_before: int) -> list[Message]:
    """Return the messages of an attribute; `num_before` is the number of messages before them."""
    value = _parse_attribute(attributes, name, claims)
    if name == _SYSTEM:
        return _read_system(value, attributes, name, claims)
    if not isinstance(value, list):
        raise RecordError(f"{name} is {describe_type(value)}; it must be a list of messages", code="record/wrong-type")
    return [messages.read_message(item, num_before + n, claims, _DIALECT) for n, item in enumerate(value, start=1)]


def _read_system(value: Json, attributes: dict[str, Json], name: str, claims: Claims) -> list[Message]:
    """Return the system message; its instructions are a list of parts, or text."""
    if not value:
        return []
    parsed: dict[str, Json] = {name: value}
    text, skipped = messages.read_content(parsed, name, name, claims, _DIALECT)
    if isinstance(value, str):
        claims.add_parsed(attributes, name, parsed)
    return [Message("system", text, skipped)]


def _parse_attribute(attributes: dict[str, Json], name: str, claims: Claims) -> Json:
    """Return the value of an attribute. Older exporters write JSON as text; instructions may be plain text."""
    value = attributes[name]
    if not isinstance(value, str):
        return value
    try:
        parsed = decoding.decode_json(value.encode("utf-8", "replace"), 1)[0]
    except RecordError as error:
        if name == _SYSTEM:
            return value
        raise RecordError(f"{name}: {error.reason}", code=error.code) from None
    if isinstance(parsed, (dict, list)):
        claims.add_parsed(attributes, name, parsed)
    return parsed
