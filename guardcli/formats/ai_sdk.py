"""The Vercel AI SDK's `UIMessage`s: `{"messages": [{"role": …, "parts": [{"type": "text", …}]}]}`, or only the list.

Older versions have `content` in place of `parts`.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, NamedConversations
from guardcli.formats import messages
from guardcli.formats.claims import Claims

_DIALECT = messages.Dialect(contents=("parts", "content"))


def matches(value: Json) -> bool:
    items = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(items, list):
        return False
    return any(isinstance(item, dict) and "parts" in item and "role" in item for item in items)


def parse(value: Json, claims: Claims) -> NamedConversations:
    if isinstance(value, dict):
        return messages.read_conversation(value, "messages", claims, _DIALECT)
    return [(None, Conversation(messages.read_messages(value, "messages", claims, _DIALECT)))]
