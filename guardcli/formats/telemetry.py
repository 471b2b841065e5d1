"""OpenTelemetry's GenAI conventions: `gen_ai.input.messages` and `gen_ai.output.messages`, on a record or in its
`attributes`, as values or as JSON texts of them. The text of a part stands under `content`.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json
from guardcli.formats import decoding, openai
from guardcli.formats.faults import Unreadable, kind

_SYSTEM, _INPUT, _OUTPUT = "gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"
_CALLS = {"tool_call": "tool_call", "tool_call_response": "tool_result"}


def matches(value: Json) -> bool:
    return _attributes(value) is not None and not (isinstance(value, dict) and "messages" in value)


def conversations(value: Json) -> list[tuple[str | None, Conversation]]:
    found = _attributes(value)
    assert found is not None  # by `matches`
    system = _parsed(found.get(_SYSTEM), _SYSTEM)
    said = [{"role": "system", "content": _content(system)}] if system else []
    for name in (_INPUT, _OUTPUT):
        messages = _parsed(found.get(name), name)
        if messages is None:
            continue
        if not isinstance(messages, list):
            raise Unreadable(f"{name} is {kind(messages)}; it must be a list of messages")
        said.extend(map(_as_message, messages))  # type: ignore[arg-type]
    return [(None, Conversation(openai.messages(said, _INPUT)))]  # type: ignore[arg-type]


def _attributes(value: Json) -> dict[str, Json] | None:
    """The record itself with its attributes, where the messages are in either."""
    if not isinstance(value, dict):
        return None
    inside = value.get("attributes")
    both = {**(inside if isinstance(inside, dict) else {}), **value}
    return both if _INPUT in both or _OUTPUT in both else None


def _parsed(value: Json, name: str) -> Json:
    """Attributes of older exporters can only be text: JSON inside JSON."""
    if not isinstance(value, str):
        return value
    try:
        return decoding.value(value.encode("utf-8", "replace"), 1)[0]
    except Unreadable as error:
        raise Unreadable(f"{name}: {error.reason}") from None


def _as_message(item: Json) -> Json:
    if not isinstance(item, dict):
        return item
    parts = _content(item["parts"]) if item.get("parts") else item.get("content")
    openai.check_beside(item, parts)
    return {"role": item.get("role"), "content": parts}


def _content(parts: Json) -> Json:
    return [_as_part(part) for part in parts] if isinstance(parts, list) else parts


def _as_part(part: Json) -> Json:
    """A part by OpenAI's names."""
    if not isinstance(part, dict):
        return part
    kind_ = part.get("type")
    if kind_ == "text":
        return {"type": "text", "text": part.get("content")}
    return {"type": _CALLS.get(kind_, kind_) if isinstance(kind_, str) else kind_}
