"""The Vercel AI SDK's `UIMessage`s: `{"messages": [{"role": …, "parts": [{"type": "text", …}]}]}`, or such a list.

Older ones have `content` instead, which `openai` reads. What is no text is named in `Message.skipped`.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json
from guardcli.formats import openai


def matches(value: Json) -> bool:
    messages = value.get("messages") if isinstance(value, dict) else value
    return isinstance(messages, list) and any(
        isinstance(item, dict) and "parts" in item and "role" in item for item in messages
    )


def conversations(value: Json) -> list[tuple[str | None, Conversation]]:
    messages = value.get("messages") if isinstance(value, dict) else value
    assert isinstance(messages, list)  # by `matches`
    system = openai.system(value) if isinstance(value, dict) else ()
    return [(None, Conversation((*system, *openai.messages([_as_message(item) for item in messages], "messages"))))]


def _as_message(item: Json) -> Json:
    """The message under OpenAI's names, which then says what is wrong with it."""
    if not isinstance(item, dict) or not item.get("parts"):
        return item if not isinstance(item, dict) or "content" in item else {**item, "content": item.get("parts")}
    parts = item["parts"]
    content = [_as_part(part) for part in parts if not _is_step(part)] if isinstance(parts, list) else parts
    openai.check_beside(item, content)
    return {"role": item.get("role"), "content": content}


def _is_step(part: Json) -> bool:
    """`step-start` parts the steps of an answer; there is nothing in it."""
    return isinstance(part, dict) and part.get("type") == "step-start"


def _as_part(part: Json) -> Json:
    """A part by OpenAI's types: a call of a tool is `tool-NAME` or `dynamic-tool`, and an older `tool-invocation`."""
    kind = part.get("type") if isinstance(part, dict) else None
    if isinstance(kind, str) and (kind.startswith("tool-") or kind == "dynamic-tool"):
        return {"type": "tool_call"}
    return part
