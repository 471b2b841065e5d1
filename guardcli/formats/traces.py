"""Rows of tracing tools: Langfuse's `input` and `output`, LangSmith's `inputs` and `outputs`.

Each holds what a model was given and what it answered: a text, one message, a list of messages, or any of these as
JSON text. LangChain's own form of a message, with its class or its `type` for a role, is read as well.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json
from guardcli.formats import decoding, openai
from guardcli.formats.faults import Unreadable, kind, listed

_LANGFUSE = ("trace_id", "traceId", "observation_id", "session_id", "sessionId")
_TYPES = {"human": "user", "ai": "assistant", "chat": "user", "system": "system", "tool": "tool", "function": "tool"}
_CLASSES = {
    "HumanMessage": "user", "AIMessage": "assistant", "AIMessageChunk": "assistant", "SystemMessage": "system",
    "ToolMessage": "tool", "FunctionMessage": "tool",
}  # fmt: skip


def matches(value: Json) -> bool:
    if not isinstance(value, dict):
        return False
    if "run_type" in value and ("inputs" in value or "outputs" in value):
        return True
    return ("input" in value or "output" in value) and any(key in value for key in _LANGFUSE)


def conversations(value: Json) -> list[tuple[str | None, Conversation]]:
    assert isinstance(value, dict)  # by `matches`
    given, answered = ("inputs", "outputs") if "run_type" in value else ("input", "output")
    said = [*_said(value.get(given), given, "user"), *_said(value.get(answered), answered, "assistant")]
    if not said:
        raise Unreadable(f"empty conversation: {given} and {answered} hold no message")
    return [(None, Conversation(openai.messages(said, given)))]


def _said(value: Json, name: str, role: str) -> list[Json]:
    """The messages that a value holds, under OpenAI's names; a text is what `role` said."""
    value = _parsed(value)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, list):
        return _listed(value, name, role)
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is {kind(value)}; it must be text, a message, or messages")
    return _held(value, name, role)


def _listed(value: list[Json], name: str, role: str) -> list[Json]:
    if len(value) == 1 and isinstance(value[0], list):  # LangChain runs a batch, mostly of one
        value = value[0]
    if any(isinstance(item, list) for item in value):
        raise Unreadable(f"{name} holds {len(value)} conversations; export them one by one")
    return [_as_message(item, role) for item in value]


def _held(value: dict[str, Json], name: str, role: str) -> list[Json]:
    """What an object holds: messages, choices, generations, one message, or a text under a common name."""
    if _is_message(value):
        return [_as_message(value, role)]
    for key in (
        "messages",
        "message",
        "choices",
        "generations",
        "output",
        "input",
        "content",
        "text",
        "answer",
        "query",
    ):
        if value.get(key) is not None:
            return _said(value[key], f"{name}.{key}", role)
    raise Unreadable(f"{name} holds no messages; it has the keys {listed(value)} (--messages-path names the place)")


def _is_message(value: dict[str, Json]) -> bool:
    return ("role" in value and "content" in value) or "kwargs" in value or (
        value.get("type") in _TYPES and ("data" in value or "content" in value)
    )  # fmt: skip


def _as_message(item: Json, role: str) -> Json:
    """A message under OpenAI's names, which then says what is wrong with it."""
    if isinstance(item, str):
        return {"role": role, "content": item}
    if not isinstance(item, dict):
        return item
    if "message" in item and "role" not in item:  # a choice, or a generation
        return _as_message(item["message"], role)
    if isinstance(item.get("kwargs"), dict):
        return _of_class(item, role)
    if item.get("type") in _TYPES and "role" not in item:
        data = item["data"] if isinstance(item.get("data"), dict) else item
        return {"role": _TYPES[str(item["type"])], "content": _field(data, "content")}
    if "role" not in item and "text" in item:
        return {"role": role, "content": item["text"]}
    return item


def _of_class(item: dict[str, Json], role: str) -> Json:
    """LangChain's serialized form: `{"id": [..., "HumanMessage"], "kwargs": {"content": …}}`."""
    path = item.get("id")
    name = path[-1] if isinstance(path, list) and path else ""
    return {"role": _CLASSES.get(str(name), role), "content": _field(item["kwargs"], "content")}


def _field(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else value


def _parsed(value: Json) -> Json:
    """JSON inside JSON, read once; any other text is itself."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        parsed = decoding.value(value.encode("utf-8", "replace"), 1)[0]
    except Unreadable:
        return value
    return parsed if isinstance(parsed, (dict, list)) else value
