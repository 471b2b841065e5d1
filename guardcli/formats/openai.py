"""OpenAI's chat format and its relatives: `{"messages": [{"role": …, "content": …}]}`, or only the list."""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, NamedConversations
from guardcli.formats import messages
from guardcli.formats.claims import Claims


def matches(value: Json) -> bool:
    if isinstance(value, list):
        return not value or (isinstance(value[0], dict) and "role" in value[0])
    return isinstance(value, dict) and "messages" in value


def parse(value: Json, claims: Claims) -> NamedConversations:
    if isinstance(value, dict):
        return messages.read_conversation(value, "messages", claims)
    return [(None, Conversation(messages.read_messages(value, "the list", claims)))]
