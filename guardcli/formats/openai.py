"""Lists of messages: `{"messages": [{"role": …, "content": …}]}`, or such a list alone: OpenAI's chat format and its
relatives."""

from __future__ import annotations

from guardcli.conversation import Conversation, Json
from guardcli.formats import messages
from guardcli.formats.account import Account


def matches(value: Json) -> bool:
    if isinstance(value, list):
        return not value or (isinstance(value[0], dict) and "role" in value[0])
    return isinstance(value, dict) and "messages" in value


def conversations(value: Json, account: Account) -> list[tuple[str | None, Conversation]]:
    if isinstance(value, dict):
        system = messages.system_beside(value, account)
        return [(None, Conversation((*system, *messages.read(value.get("messages"), "messages", account))))]
    return [(None, Conversation(messages.read(value, "the list", account)))]
