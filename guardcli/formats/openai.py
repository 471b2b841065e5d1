"""Lists of messages: `{"messages": [{"role": …, "content": …}]}`, or such a list alone.

OpenAI's chat format and its relatives: content as text or as typed parts. Parts that are no text are named in
`Message.skipped`, so that nothing is dropped silently. `sharegpt` and `hh` read their messages with it too.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Message
from guardcli.formats import roles
from guardcli.formats.faults import Unreadable, kind

_TEXT_FIELDS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}

_SKIPPED = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "input_audio": "audio",
    "audio": "audio",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "tool_use": "tool_call",
    "tool_call": "tool_call",
    "function_call": "tool_call",
}


def matches(value: Json) -> bool:
    if isinstance(value, list):
        return not value or (isinstance(value[0], dict) and "role" in value[0])
    return isinstance(value, dict) and "messages" in value


def conversations(value: Json) -> list[tuple[str | None, Conversation]]:
    if isinstance(value, dict):
        return [(None, Conversation((*system(value), *messages(value.get("messages"), "messages"))))]
    return [(None, Conversation(messages(value, "the list")))]


def system(value: dict[str, Json]) -> tuple[Message, ...]:
    """The system prompt that some formats keep beside the messages; it is said before all of them."""
    prompt = value.get("system")
    if prompt is None:
        return ()
    if not isinstance(prompt, (str, list)):
        raise Unreadable(f"system is {kind(prompt)}; it must be text or a list of parts")
    text, skipped = _content(prompt, "system")
    return (Message("system", text, skipped),)


def messages(value: Json, name: str) -> tuple[Message, ...]:
    """The messages of a list that stands under `name`, which is for the reason of `Unreadable`."""
    if not isinstance(value, list):
        raise Unreadable(f"{name} is {kind(value)}; it must be a list of messages")
    if not value:
        raise Unreadable(f"empty conversation: {name} has no messages")
    return tuple(_message(item, number) for number, item in enumerate(value, start=1))


def check_beside(item: dict[str, Json], parts: Json) -> None:
    """Raise Unreadable if a message with parts has a `content` too that says something else: it would not be judged."""
    content = item.get("content")
    held = parts if isinstance(parts, list) else [parts]
    read = [part.get("text") if isinstance(part, dict) else part for part in held]
    texts = [text for text in read if isinstance(text, str)]
    said = content.strip() if isinstance(content, str) else ""
    if said and not any(said in text for text in ("\n".join(texts), *texts)):
        raise Unreadable("a message has content that is not in its parts, and one of them would not be judged")


def _message(item: Json, number: int) -> Message:
    place = f"message {number}"
    if not isinstance(item, dict):
        raise Unreadable(f"{place} is {kind(item)}; it must be an object")
    if "role" not in item:
        raise Unreadable(f"{place} has no role")
    role = roles.role(item["role"], number)
    calls = _tool_calls(item, place)
    refusal = item.get("refusal")
    if "content" not in item and not calls and refusal is None:
        raise Unreadable(f"{place} has no content")
    text, skipped = _content(item.get("content"), place)
    if refusal is not None:
        text = "\n".join(filter(None, (text, _text(refusal, f"{place}: refusal"))))
    return Message(role, text, skipped + calls)


def _tool_calls(item: dict[str, Json], place: str) -> tuple[str, ...]:
    calls = item.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise Unreadable(f"{place}: tool_calls is {kind(calls)}; it must be a list")
    return ("tool_call",) * (len(calls or ()) + (item.get("function_call") is not None))


def _content(content: Json, place: str) -> tuple[str, tuple[str, ...]]:
    """The text of a content, and the kinds of its parts that are no text."""
    if content is None:
        return "", ()
    if isinstance(content, str):
        return content, ()
    if not isinstance(content, list):
        raise Unreadable(f"{place}: content is {kind(content)}; it must be text, null, or a list of parts")
    texts, skipped = [], []
    for number, part in enumerate(content, start=1):
        text, other = _part(part, f"{place}: part {number}")
        if other is None:
            texts.append(text)
        else:
            skipped.append(other)
    return "\n".join(texts), tuple(skipped)


def _part(part: Json, place: str) -> tuple[str, str | None]:
    """The text of a part, or its kind where it is no text."""
    if isinstance(part, str):
        return part, None
    if not isinstance(part, dict):
        raise Unreadable(f"{place} is {kind(part)}; it must be text or an object with a type")
    type_ = part.get("type")
    if not isinstance(type_, str):
        raise Unreadable(f"{place} has no type")
    if type_ in _TEXT_FIELDS:
        field = _TEXT_FIELDS[type_]
        return _text(part.get(field), f"{place}: {field}"), None
    return "", _SKIPPED.get(type_, type_[:40])


def _text(value: Json, place: str) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"{place} is {kind(value)}; it must be text")
    return value
