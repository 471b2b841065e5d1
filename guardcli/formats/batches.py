"""Batch files of OpenAI (and vLLM, which reads and writes them too) and Anthropic: a request or an answer a line, named
by its `custom_id`.

A request holds a conversation: messages, the input of a response or of a moderation, or the prompt of a completion. An
answer holds only what the assistant said, once for each choice; one that failed holds nothing that could be judged.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Message
from guardcli.formats import messages, openai, pairs
from guardcli.formats.account import Account
from guardcli.formats.faults import Unreadable, kind, listed, shown

_HOLDERS = ("body", "params", "response", "result")
_CONVERSATIONS = frozenset({"messages", "conversations", "conversation", "prompt"})  # these are other formats' own

Found = list[tuple["str | None", Conversation]]


def matches(value: Json) -> bool:
    if not isinstance(value, dict) or "custom_id" not in value or not _CONVERSATIONS.isdisjoint(value):
        return False
    return any(holder in value for holder in _HOLDERS)


def conversations(value: Json, account: Account) -> Found:
    assert isinstance(value, dict)  # by `matches`
    held = [holder for holder in _HOLDERS if value.get(holder) is not None]
    if len(held) > 1:
        raise Unreadable(f"both {' and '.join(held)}: part requests and answers, or name one by --messages-path")
    if "result" in value:
        return [(None, Conversation(_anthropic_answer(value["result"], account)))]
    if "response" in value:
        return _openai_answer(value["response"], value.get("error"), account)
    name = "body" if "body" in value else "params"
    return _request(value[name], name, account)


def _request(body: Json, name: str, account: Account) -> Found:
    if not isinstance(body, dict):
        raise Unreadable(f"{name} is {kind(body)}; it must be an object")
    account.claim(body)
    if "messages" in body:
        return openai.conversations(body, account)
    if "input" in body:
        return _asked(body, account)
    if isinstance(body.get("prompt"), list):
        return pairs.each(body, "prompt", account)
    if isinstance(body.get("prompt"), str):
        return [(None, Conversation((Message("user", pairs.text_of(body, "prompt", account)),)))]
    raise Unreadable(f"{name} has neither messages, input nor prompt; it has the keys {listed(body)}")


def _asked(body: dict[str, Json], account: Account) -> Found:
    """What a moderation request asks about, a conversation an item; or the messages of a response request."""
    system = messages.system_beside(body, account, "instructions")
    asked = body["input"]
    if isinstance(asked, list) and any(isinstance(item, dict) for item in asked):
        said, calls = _items(asked, "input", account)
        return [(None, Conversation((*system, *said), skipped=calls))]
    if isinstance(asked, list):
        return pairs.each(body, "input", account)
    return [(None, Conversation((*system, Message("user", pairs.text_of(body, "input", account)))))]


def _items(items: list[Json], name: str, account: Account) -> tuple[list[Message], tuple[str, ...]]:
    """The messages among the items of the Responses API, and the kinds of the others."""
    said: list[Message] = []
    skipped: list[str] = []
    for number, item in enumerate(items, start=1):
        type_ = item.get("type") if isinstance(item, dict) else None
        if isinstance(item, str):
            account.claim(items, number - 1)
            said.append(Message("user", item))
        elif not isinstance(item, dict) or type_ in (None, "message") or "role" in item:
            said.append(messages.read_one(item, number, account))
        elif type_ == "reasoning":
            said += _thought(item, number, account)
        elif (isinstance(type_, str) and type_.startswith("input_")) or type_ in ("text", "image_url"):
            text, other = messages.content_of({"content": [item]}, "content", f"{name} item {number}", account)
            said.append(Message("user", text, other))
        elif isinstance(type_, str) and (
            type_ in messages.CALLS or type_.endswith(("_call_output", "_approval_response"))
        ):
            account.claim_all(item)
            skipped.append("tool_call" if type_ in messages.CALLS else "tool_result")
        else:
            raise Unreadable(f"{name} item {number} is of an unknown type: {shown(str(type_))}")
    if not said:
        raise Unreadable(f"empty conversation: {name} holds no message")
    return said, tuple(skipped)


def _thought(item: dict[str, Json], number: int, account: Account) -> list[Message]:
    """What a model thought, as far as the API tells it: summaries, or the text itself."""
    texts = [
        messages.content_of(item, name, f"item {number}", account)[0]
        for name in ("summary", "content")
        if item.get(name)
    ]
    text = "\n".join(filter(None, texts))
    return [Message("assistant", text)] if text else []


def _openai_answer(response: Json, error: Json, account: Account) -> Found:
    if not isinstance(response, dict) or error is not None:
        raise Unreadable(f"the request failed: {_failure(error)}")
    body, status = response.get("body"), response.get("status_code")
    if not isinstance(body, dict) or (isinstance(status, int) and status >= 400):
        raise Unreadable(f"the request failed with status {status}")
    account.claim(response)
    account.claim(body)
    output = body.get("output")
    if isinstance(output, list) and "choices" not in body:
        system = messages.system_beside(body, account, "instructions")
        said, calls = _items(output, "output", account)
        return [(None, Conversation((*system, *said), skipped=calls))]
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise Unreadable("the answer has no choices, and so no message to judge")
    said_back = [_choice(choice, number, account) for number, choice in enumerate(choices, start=1)]
    if len(said_back) == 1:
        return [(None, said_back[0])]
    return [(f"choice.{number}", conversation) for number, conversation in enumerate(said_back)]


def _choice(choice: Json, number: int, account: Account) -> Conversation:
    if isinstance(choice, dict) and isinstance(choice.get("message"), dict):
        return Conversation(messages.read([choice["message"]], f"choice {number}", account))
    if isinstance(choice, dict) and isinstance(choice.get("text"), str):  # of a completion
        return Conversation((Message("assistant", pairs.text_of(choice, "text", account)),))
    raise Unreadable(f"choice {number} has no message")


def _anthropic_answer(result: Json, account: Account) -> tuple[Message, ...]:
    if not isinstance(result, dict):
        raise Unreadable(f"result is {kind(result)}; it must be an object")
    if result.get("type") != "succeeded":
        raise Unreadable(f"the request did not succeed: {_failure(result.get('error', result.get('type')))}")
    account.claim(result)
    return messages.read([result.get("message")], "result", account)


def _failure(error: Json) -> str:
    """What an error says of itself."""
    while isinstance(error, dict):
        error = error.get("message", error.get("error", error.get("type", error.get("code"))))
    return shown(error) if isinstance(error, str) else "no reason is given"
