"""ShareGPT's `{"conversations": [{"from": …, "value": …}]}` and its variants, and WildChat's `conversation`."""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, NamedConversations
from guardcli.formats import messages
from guardcli.formats.claims import Claims

_DIALECT = messages.Dialect(roles=("role", "from"), contents=("value", "content"))


def matches(value: Json) -> bool:
    return isinstance(value, dict) and ("conversations" in value or isinstance(value.get("conversation"), list))


def parse(value: Json, claims: Claims) -> NamedConversations:
    assert isinstance(value, dict)  # by `matches`
    name = "conversations" if "conversations" in value else "conversation"
    system = messages.read_system_prompt(value, claims)
    return [(None, Conversation((*system, *messages.read_messages(value[name], name, claims, _DIALECT))))]
