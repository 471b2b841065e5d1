"""Rows of tracing tools: Langfuse's `input` and `output`, LangSmith's `inputs` and `outputs`.

Each holds what a model was given and what it answered: a text, one message, a list of messages, or any of these as
JSON text. LangChain's own form of a message, with its class or its `type` for a role, is read as well.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json
from guardcli.formats import decoding, openai, unread
from guardcli.formats.faults import Unreadable, kind, listed

_LANGFUSE = ("trace_id", "traceId", "observation_id", "session_id", "sessionId")
_TYPES = {"human": "user", "ai": "assistant", "chat": "user", "system": "system", "tool": "tool", "function": "tool"}
_METADATA = ("usage", "llm_output", "metadata", "response_metadata", "model", "run", "tools", "generation_info")
_NAMES = ("messages", "message", "choices", "generations", "output", "input", "content", "text", "answer", "query")
_CLASSES = {
    "HumanMessage": "user", "AIMessage": "assistant", "AIMessageChunk": "assistant", "SystemMessage": "system",
    "ToolMessage": "tool", "FunctionMessage": "tool",
}  # fmt: skip


def matches(value: Json) -> bool:
    if not isinstance(value, dict) or any(name in value for name in unread.CONVERSATIONS):
        return False
    if "run_type" in value and ("inputs" in value or "outputs" in value):
        return True
    return ("input" in value or "output" in value) and any(key in value for key in _LANGFUSE)


def conversations(value: Json) -> list[tuple[str | None, Conversation]]:
    assert isinstance(value, dict)  # by `matches`
    given, answered = ("inputs", "outputs") if "run_type" in value else ("input", "output")
    if "run_type" in value and (value.get("input") or value.get("output")):
        raise Unreadable("inputs and outputs, and input or output beside them: name one place by --messages-path")
    asked, said_back = _decoded(value.get(given), value.get(answered))
    said = [*_said(asked, given, "user"), *_said(said_back, answered, "assistant")]
    if not said:
        raise Unreadable(f"empty conversation: {given} and {answered} hold no message")
    return [(None, Conversation(openai.messages(said, given)))]


def _said(value: Json, name: str, role: str) -> list[Json]:
    """The messages that a value holds, under OpenAI's names; a text is what `role` said."""
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
    """What an object holds: messages, choices, generations, one message, or a text under a common name.

    Whatever stands beside it and may be text that somebody said would not be judged.
    """
    if _is_message(value):
        return [_as_message(value, role)]
    filled = [key for key in _NAMES if value.get(key) not in (None, "", [], {})]
    if not filled:
        raise Unreadable(f"{name} holds no messages; it has the keys {listed(value)} (--messages-path names the place)")
    beside = [key for key, other in value.items() if key not in (filled[0], *_METADATA) and _may_be_said(other)]
    if beside:
        raise Unreadable(f"{name} holds {filled[0]} and {listed(beside)}: name one by --messages-path")
    return _said(value[filled[0]], f"{name}.{filled[0]}", role)


def _may_be_said(value: Json) -> bool:
    """Whether a value is text of more than a word, or may hold such."""
    return (isinstance(value, (list, dict)) and bool(value)) or (isinstance(value, str) and len(value.split()) > 1)


def _is_message(value: dict[str, Json]) -> bool:
    typed = _type(value) in _TYPES and ("data" in value or "content" in value)
    return ("role" in value and "content" in value) or "kwargs" in value or typed


def _type(value: dict[str, Json]) -> str:
    found = value.get("type")
    return found if isinstance(found, str) else ""


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
    if _type(item) in _TYPES and "role" not in item:
        data = item["data"] if isinstance(item.get("data"), dict) else item
        return {"role": _TYPES[_type(item)], "content": _field(data, "content")}
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


def _decoded(*values: Json) -> list[Json]:
    """JSON inside JSON, read once, if all texts are such: an exporter writes either all of them so, or none.

    One that only looks like JSON beside one that does not is what somebody typed, and stays text.
    """
    try:
        return [_json(value) if isinstance(value, str) and value else value for value in values]
    except Unreadable:
        return list(values)


def _json(text: str) -> Json:
    return decoding.value(text.encode("utf-8", "replace"), 1)[0]
