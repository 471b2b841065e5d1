"""ShareGPT's `{"conversations": [{"from": …, "value": …}]}`, its variants, and WildChat's `conversation`.

It only knows the names; what a message may hold is `openai`'s to say.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json
from guardcli.formats import openai


def matches(value: Json) -> bool:
    return isinstance(value, dict) and ("conversations" in value or isinstance(value.get("conversation"), list))


def conversations(value: Json) -> list[tuple[str | None, Conversation]]:
    assert isinstance(value, dict)  # by `matches`
    name = "conversations" if "conversations" in value else "conversation"
    turns = value[name]
    if isinstance(turns, list):
        turns = [_as_message(turn) for turn in turns]
    return [(None, Conversation((*openai.system(value), *openai.messages(turns, name))))]


def _as_message(turn: Json) -> Json:
    """The turn under OpenAI's names, which then says what is wrong with it."""
    if not isinstance(turn, dict):
        return turn
    names = {"from": "role", "value": "content"}
    return {names.get(key, key): item for key, item in turn.items()}
