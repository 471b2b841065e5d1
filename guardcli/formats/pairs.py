"""One exchange in an object: a prompt, a response, or both, under the names that data sets give them.

A bare JSON string is one prompt; a list under `input`, as moderation APIs take it, is a conversation an item.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Message
from guardcli.formats import hh, openai, sharegpt
from guardcli.formats.faults import Unreadable, kind

PROMPTS = ("prompt", "instruction", "question", "query", "input", "text")
RESPONSES = ("response", "completion", "answer", "output", "generation")


def matches(value: Json) -> bool:
    """Objects with whole conversations often have a prompt beside them: those belong to their own format."""
    if any(other.matches(value) for other in (openai, sharegpt, hh)):
        return False
    return isinstance(value, str) or (isinstance(value, dict) and any(key in value for key in PROMPTS + RESPONSES))


def conversations(value: Json) -> list[tuple[str | None, Conversation]]:
    if isinstance(value, str):
        return [(None, Conversation((Message("user", value),)))]
    assert isinstance(value, dict)  # by `matches`
    prompt, response = _first(value, PROMPTS), _first(value, RESPONSES)
    if prompt is not None and prompt[0] == "input" and isinstance(prompt[1], list):
        return _each(prompt[1], response)
    said = [Message("user", text) for text in _prompt(value, prompt)]
    if response is not None:
        said.append(Message("assistant", _text(*response)))
    if not said:
        raise Unreadable("empty conversation: neither a prompt nor a response")
    return [(None, Conversation(tuple(said)))]


def _first(value: dict[str, Json], keys: tuple[str, ...]) -> tuple[str, Json] | None:
    return next(((key, value[key]) for key in keys if value.get(key) is not None), None)


def _prompt(value: dict[str, Json], prompt: tuple[str, Json] | None) -> list[str]:
    if prompt is None:
        return []
    text = _text(*prompt)
    # Alpaca's rows hold an instruction and the input that it is about: its model got both.
    if prompt[0] == "instruction" and value.get("input"):
        text += "\n\n" + _text("input", value["input"])
    return [text]


def _each(items: list[Json], response: tuple[str, Json] | None) -> list[tuple[str | None, Conversation]]:
    if response is not None:
        raise Unreadable(f"input is a list, so {response[0]} belongs to none of its items")
    if not items:
        raise Unreadable("empty conversation: input is a list without items")
    texts = [_text(f"input item {number}", item) for number, item in enumerate(items, start=1)]
    return [(f"input.{index}", Conversation((Message("user", text),))) for index, text in enumerate(texts)]


def _text(name: str, value: Json) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"{name} is {kind(value)}; it must be text")
    return value
