"""One exchange: a prompt, a response, or both, in fields with the usual names of data sets, in any case.

    {"prompt": "hi", "response": "Hello!"}

A JSON string alone is a prompt. A list in `input`, as moderation APIs take it, is a conversation for each item.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Message, NamedConversations
from guardcli.formats import hh, messages, openai, sharegpt
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type

PROMPT_NAMES = ("prompt", "instruction", "question", "query", "input", "text")
RESPONSE_NAMES = ("response", "completion", "answer", "output", "generation")

_NAMES = frozenset(PROMPT_NAMES + RESPONSE_NAMES)


def matches(value: Json) -> bool:
    """Return whether a value is an exchange. Whole conversations, which often have a prompt too, are other formats."""
    if any(other.matches(value) for other in (openai, sharegpt, hh)):
        return False
    if isinstance(value, dict):
        return not _NAMES.isdisjoint(value) or any(name.lower() in _NAMES for name in value)
    return isinstance(value, str)


def parse(value: Json, claims: Claims) -> NamedConversations:
    if isinstance(value, str):
        return [(None, Conversation((Message("user", value),)))]
    assert isinstance(value, dict)  # by `matches`
    names = _names_by_lower_case(value)
    prompt, response = _first_filled(value, names, PROMPT_NAMES), _first_filled(value, names, RESPONSE_NAMES)
    if prompt is not None and prompt.lower() == "input" and isinstance(value[prompt], list):
        return conversation_per_item(value, prompt, claims, response)
    turns = list(messages.read_system_prompt(value, claims)) if "system" in value else []
    turns += [Message("user", text) for text in _prompt_texts(value, names, prompt, claims)]
    if response is not None:
        turns.append(Message("assistant", messages.read_text(value, response, claims)))
    if not turns:
        raise RecordError("empty conversation: neither a prompt nor a response", code="record/empty-conversation")
    return [(None, Conversation(tuple(turns)))]


def conversation_per_item(
    value: dict[str, Json], name: str, claims: Claims, response: str | None = None
) -> NamedConversations:
    """Return each text of a list as a conversation of one user message."""
    if response is not None:
        raise RecordError(
            f"{name} is a list, so {response} answers none of its items", code="record/conflicting-fields"
        )
    items = value[name]
    assert isinstance(items, list)
    if not items:
        raise RecordError(f"empty conversation: {name} is an empty list", code="record/empty-conversation")
    for number, item in enumerate(items, start=1):
        if not isinstance(item, str):
            raise RecordError(
                f"{name} item {number} is {describe_type(item)}; it must be text", code="record/wrong-type"
            )
    claims.claim_all(items)
    return [(f"{name}.{index}", Conversation((Message("user", str(item)),))) for index, item in enumerate(items)]


def _names_by_lower_case(value: dict[str, Json]) -> dict[str, str]:
    """Map lower-case names to the fields of an object. If two fields differ only in case, lower case wins."""
    names = {name.lower(): name for name in value if name.lower() in _NAMES}
    return names | {name: name for name in value if name in _NAMES}


def _first_filled(value: dict[str, Json], names: dict[str, str], wanted: tuple[str, ...]) -> str | None:
    return next((names[name] for name in wanted if name in names and value[names[name]] is not None), None)


def _prompt_texts(value: dict[str, Json], names: dict[str, str], prompt: str | None, claims: Claims) -> list[str]:
    if prompt is None:
        return []
    text = messages.read_text(value, prompt, claims)
    # Alpaca has an instruction and an input for it; the model reads both.
    if prompt.lower() == "instruction" and "input" in names and value[names["input"]]:
        text += "\n\n" + messages.read_text(value, names["input"], claims)
    return [text]
