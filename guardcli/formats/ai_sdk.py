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
    if isinstance(items, list):
        for item in items:
            if isinstance(item, dict) and "parts" in item and "role" in item:
                return True
    return False


def parse(value: Json, claims: Claims) -> NamedConversations:
    items = value.get("messages") if isinstance(value, dict) else value
    system = messages.read_system_prompt(value, claims) if isinstance(value, dict) else ()
    return [(None, Conversation((*system, *messages.read_messages(items, "messages", claims, _DIALECT))))]
