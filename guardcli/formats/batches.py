"""Batch files of OpenAI and Anthropic: a request or an answer a line, named by its `custom_id`.

A request holds a conversation. An answer holds only what the assistant said, once for each choice; one that failed
holds nothing that could be judged.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Message
from guardcli.formats import openai, pairs, unread
from guardcli.formats.faults import Unreadable, kind, listed, shown

_HOLDERS = ("body", "params", "response", "result")


def matches(value: Json) -> bool:
    if not isinstance(value, dict) or "custom_id" not in value or any(name in value for name in unread.CONVERSATIONS):
        return False
    return any(holder in value for holder in _HOLDERS)


def conversations(value: Json) -> list[tuple[str | None, Conversation]]:
    assert isinstance(value, dict)  # by `matches`
    held = [holder for holder in _HOLDERS if value.get(holder) is not None]
    if len(held) > 1:
        raise Unreadable(f"both {' and '.join(held)}: part requests and answers, or name one by --messages-path")
    if "result" in value:
        return [(None, Conversation(_anthropic_answer(value["result"])))]
    if "response" in value:
        return _openai_answer(value["response"], value.get("error"))
    name = "body" if "body" in value else "params"
    found = _request(value[name], name)
    unread.check(value[name], found, ("messages",))
    return found


def _request(body: Json, name: str) -> list[tuple[str | None, Conversation]]:
    if not isinstance(body, dict):
        raise Unreadable(f"{name} is {kind(body)}; it must be an object")
    if "messages" in body:
        return openai.conversations(body)
    if "input" in body and not isinstance(body["input"], list):
        return pairs.conversations({"input": body["input"]})
    if "input" in body:
        return _inputs(body["input"])
    raise Unreadable(f"{name} has neither messages nor input; it has the keys {listed(body)}")


def _inputs(items: Json) -> list[tuple[str | None, Conversation]]:
    """What a moderation request asks about, a conversation an item; or the messages of a response request."""
    if openai.matches(items):
        return openai.conversations(items)
    return pairs.conversations({"input": items})


def _openai_answer(response: Json, error: Json) -> list[tuple[str | None, Conversation]]:
    if not isinstance(response, dict) or error is not None:
        raise Unreadable(f"the request failed: {_failure(error)}")
    body, status = response.get("body"), response.get("status_code")
    if not isinstance(body, dict) or (isinstance(status, int) and status >= 400):
        raise Unreadable(f"the request failed with status {status}")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise Unreadable("the answer has no choices, and so no message to judge")
    said = [_choice(choice, number) for number, choice in enumerate(choices, start=1)]
    if len(said) == 1:
        return [(None, said[0])]
    return [(f"choice.{number}", conversation) for number, conversation in enumerate(said)]


def _choice(choice: Json, number: int) -> Conversation:
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise Unreadable(f"choice {number} has no message")
    return Conversation(openai.messages([choice["message"]], f"choice {number}"))


def _anthropic_answer(result: Json) -> tuple[Message, ...]:
    if not isinstance(result, dict):
        raise Unreadable(f"result is {kind(result)}; it must be an object")
    if result.get("type") != "succeeded":
        raise Unreadable(f"the request did not succeed: {_failure(result.get('error', result.get('type')))}")
    return openai.messages([result.get("message")], "result")


def _failure(error: Json) -> str:
    """What an error says of itself."""
    while isinstance(error, dict):
        error = error.get("message", error.get("error", error.get("type", error.get("code"))))
    return shown(error) if isinstance(error, str) else "no reason is given"
