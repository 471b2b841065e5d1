"""ShareGPT's `{"conversations": [{"from": …, "value": …}]}` and its variants, and WildChat's `conversation`."""

from __future__ import annotations

from guardcli.conversation import Json, NamedConversations
from guardcli.formats import messages
from guardcli.formats.claims import Claims

_DIALECT = messages.Dialect(roles=("role", "from"), contents=("value", "content"))


def matches(value: Json) -> bool:
    return isinstance(value, dict) and ("conversations" in value or isinstance(value.get("conversation"), list))


def parse(value: Json, claims: Claims) -> NamedConversations:
    assert isinstance(value, dict)  # by `matches`
    name = "conversations" if "conversations" in value else "conversation"
    return messages.read_conversation(value, name, claims, _DIALECT)
