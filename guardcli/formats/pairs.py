"""One exchange in an object: a prompt, a response, or both, under the names that data sets give them, in any case.

A bare JSON string is one prompt; a list under `input`, as moderation APIs take it, is a conversation an item.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Message
from guardcli.formats import hh, messages, openai, sharegpt
from guardcli.formats.account import Account
from guardcli.formats.faults import Unreadable, kind

PROMPTS = ("prompt", "instruction", "question", "query", "input", "text")
RESPONSES = ("response", "completion", "answer", "output", "generation")

_NAMES = frozenset(PROMPTS + RESPONSES)


def matches(value: Json) -> bool:
    """Objects with whole conversations often have a prompt beside them: those belong to their own format."""
    if any(other.matches(value) for other in (openai, sharegpt, hh)):
        return False
    if isinstance(value, dict):
        return not _NAMES.isdisjoint(value) or any(name.lower() in _NAMES for name in value)
    return isinstance(value, str)


def conversations(value: Json, account: Account) -> list[tuple[str | None, Conversation]]:
    if isinstance(value, str):
        return [(None, Conversation((Message("user", value),)))]
    assert isinstance(value, dict)  # by `matches`
    names = _names(value)
    prompt, response = _first(value, names, PROMPTS), _first(value, names, RESPONSES)
    if prompt is not None and prompt.lower() == "input" and isinstance(value[prompt], list):
        return each(value, prompt, account, response)
    said = list(messages.system_beside(value, account)) if "system" in value else []
    said += [Message("user", text) for text in _prompt(value, names, prompt, account)]
    if response is not None:
        said.append(Message("assistant", text_of(value, response, account)))
    if not said:
        raise Unreadable("empty conversation: neither a prompt nor a response")
    return [(None, Conversation(tuple(said)))]


def each(
    value: dict[str, Json], name: str, account: Account, response: str | None = None
) -> list[tuple[str | None, Conversation]]:
    """The conversations of a list of texts, one each."""
    if response is not None:
        raise Unreadable(f"{name} is a list, so {response} belongs to none of its items")
    items = value[name]
    assert isinstance(items, list)
    if not items:
        raise Unreadable(f"empty conversation: {name} is a list without items")
    for number, item in enumerate(items, start=1):
        if not isinstance(item, str):
            raise Unreadable(f"{name} item {number} is {kind(item)}; it must be text")
    account.claim_all(items)
    return [(f"{name}.{index}", Conversation((Message("user", str(item)),))) for index, item in enumerate(items)]


def text_of(value: dict[str, Json], name: str, account: Account) -> str:
    """The text under a name. Raises Unreadable: it is something else."""
    text = value[name]
    if not isinstance(text, str):
        raise Unreadable(f"{name} is {kind(text)}; it must be text")
    account.claim(value, name)
    return text


def _names(value: dict[str, Json]) -> dict[str, str]:
    """The fields of an object by their names in lower case; of two that differ in case, the one in lower case."""
    found = {name.lower(): name for name in value if name.lower() in _NAMES}
    return found | {name: name for name in value if name in _NAMES}


def _first(value: dict[str, Json], names: dict[str, str], wanted: tuple[str, ...]) -> str | None:
    return next((names[name] for name in wanted if name in names and value[names[name]] is not None), None)


def _prompt(value: dict[str, Json], names: dict[str, str], prompt: str | None, account: Account) -> list[str]:
    if prompt is None:
        return []
    text = text_of(value, prompt, account)
    # Alpaca's rows hold an instruction and the input that it is about: its model got both.
    if prompt.lower() == "instruction" and "input" in names and value[names["input"]]:
        text += "\n\n" + text_of(value, names["input"], account)
    return [text]
