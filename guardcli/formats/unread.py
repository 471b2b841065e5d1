"""Text beside a conversation that nobody would judge: a record with such text is refused, not called safe."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from guardcli.conversation import Conversation, Json
from guardcli.formats.faults import Unreadable
from guardcli.formats.pairs import PROMPTS, RESPONSES

CONVERSATIONS = ("messages", "conversations", "conversation", "prompt")  # a record with one is a conversation itself
HOLDERS = ("messages", "conversations", "conversation", "chosen", "rejected", "transcript")


def check(value: Json, found: Sequence[tuple[str | None, Conversation]], read: Collection[str] = ()) -> None:
    """Raise Unreadable if a field that elsewhere holds a prompt, a response or a conversation has text not read here.

    Fields in `read` were read, in a form of their own.

    Data sets often repeat a prompt beside its conversation; that is no harm. Beside whole conversations, `text`
    is mostly their rendering.
    """
    if not isinstance(value, dict):
        return
    named = [key for key in (*PROMPTS, *RESPONSES, *HOLDERS) if key in value and key not in read]
    if not named:
        return
    said = [message.content for _, conversation in found for message in conversation.messages]
    whole = any(key in value for key in ("messages", "conversations", "conversation", "chosen", "transcript"))
    for key in named:
        if key == "text" and whole:
            continue
        for text in _texts(value[key]):
            if not any(text in content for content in said):
                raise Unreadable(f"`{key}` has text that is in no message and would not be judged: move or remove it")


def _texts(value: Json) -> Iterator[str]:
    """The text of a field, or of the messages in it."""
    items = value if isinstance(value, list) else [value]
    for item in items:
        held = [item.get(name) for name in ("content", "value")] if isinstance(item, dict) else [item]
        yield from (text.strip() for text in held if isinstance(text, str) and text.strip())
