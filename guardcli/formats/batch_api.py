"""Batch API files of OpenAI, vLLM and Anthropic: one request or one response a line, with a `custom_id`.

A request has a conversation: messages, the input of the Responses or Moderations API, or the prompt of a completion. A
response has only the messages of the assistant: a conversation for each choice.
"""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Message, NamedConversations
from guardcli.formats import messages, openai, pairs
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type, quote_names, quote_value
from guardcli.formats.field_names import OTHER_FORMATS_KEYS

_BODY_NAMES = ("body", "params", "response", "result")


def matches(value: Json) -> bool:
    if not isinstance(value, dict) or "custom_id" not in value or not OTHER_FORMATS_KEYS.isdisjoint(value):
        return False
    return any(name in value for name in _BODY_NAMES)


def parse(value: Json, claims: Claims) -> NamedConversations:
    assert isinstance(value, dict)  # by `matches`
    bodies = [name for name in _BODY_NAMES if value.get(name) is not None]
    if len(bodies) > 1:
        raise RecordError(
            f"both {' and '.join(bodies)}: split requests and answers, or choose one with ReadOptions.messages_path",
            code="record/conflicting-fields",
        )
    if "result" in value:
        return [(None, Conversation(_parse_anthropic_result(value["result"], claims)))]
    if "response" in value:
        return _parse_openai_response(value["response"], value.get("error"), claims)
    name = "body" if "body" in value else "params"
    return _parse_request(value[name], name, claims)


def _parse_request(body: Json, name: str, claims: Claims) -> NamedConversations:
    if not isinstance(body, dict):
        raise RecordError(f"{name} is {describe_type(body)}; it must be an object", code="record/wrong-type")
    claims.claim(body)
    if "messages" in body:
        return openai.parse(body, claims)
    if "input" in body:
        return _parse_input(body, claims)
    if isinstance(body.get("prompt"), list):
        return pairs.conversation_per_item(body, "prompt", claims)
    if isinstance(body.get("prompt"), str):
        return [(None, Conversation((Message("user", messages.read_text(body, "prompt", claims)),)))]
    raise RecordError(
        f"{name} has neither messages, input nor prompt; it has the keys {quote_names(body)}",
        code="record/missing-field",
    )


def _parse_input(body: dict[str, Json], claims: Claims) -> NamedConversations:
    """Return the messages of a Responses request, or the items of a Moderations request, each as a conversation."""
    system = messages.read_system_prompt(body, claims, "instructions")
    input_ = body["input"]
    if isinstance(input_, list) and any(isinstance(item, dict) for item in input_):
        item_messages, skipped = _read_items(input_, "input", claims)
        return [(None, Conversation((*system, *item_messages), skipped=skipped))]
    if isinstance(input_, list):
        return pairs.conversation_per_item(body, "input", claims)
    return [(None, Conversation((*system, Message("user", messages.read_text(body, "input", claims)))))]


def _read_items(items: list[Json], name: str, claims: Claims) -> tuple[list[Message], tuple[str, ...]]:
    """Return the messages among the items of the Responses API, and the kind of each other item."""
    item_messages: list[Message] = []
    skipped: list[str] = []
    for number, item in enumerate(items, start=1):
        type_ = item.get("type") if isinstance(item, dict) else None
        if isinstance(item, str):
            claims.claim(items, number - 1)
            item_messages.append(Message("user", item))
        elif not isinstance(item, dict) or type_ in (None, "message") or "role" in item:
            item_messages.append(messages.read_message(item, number, claims))
        elif type_ == "reasoning":
            item_messages += _read_reasoning(item, number, claims)
        elif (isinstance(type_, str) and type_.startswith("input_")) or type_ in ("text", "image_url"):
            text, other = messages.read_content({"content": [item]}, "content", f"{name} item {number}", claims)
            item_messages.append(Message("user", text, other))
        elif isinstance(type_, str) and (
            type_ in messages.TOOL_CALL_TYPES or type_.endswith(("_call_output", "_approval_response"))
        ):
            claims.claim_all(item)
            skipped.append("tool_call" if type_ in messages.TOOL_CALL_TYPES else "tool_result")
        else:
            raise RecordError(
                f"{name} item {number} is of an unknown type: {quote_value(str(type_))}", code="record/wrong-type"
            )
    if not item_messages:
        raise RecordError(f"empty conversation: {name} holds no message", code="record/empty-conversation")
    return item_messages, tuple(skipped)


def _read_reasoning(item: dict[str, Json], number: int, claims: Claims) -> list[Message]:
    """Return the reasoning of a model as a message, as far as the API shows it: summaries, or the text itself."""
    texts = [
        messages.read_content(item, name, f"item {number}", claims)[0]
        for name in ("summary", "content")
        if item.get(name)
    ]
    text = "\n".join(filter(None, texts))
    return [Message("assistant", text)] if text else []


def _parse_openai_response(response: Json, error: Json, claims: Claims) -> NamedConversations:
    if not isinstance(response, dict) or error is not None:
        raise RecordError(f"the request failed: {_failure_reason(error)}", code="record/failed-request")
    body, status = response.get("body"), response.get("status_code")
    if not isinstance(body, dict) or (isinstance(status, int) and status >= 400):
        raise RecordError(f"the request failed with status {status}", code="record/failed-request")
    claims.claim(response)
    claims.claim(body)
    output = body.get("output")
    if isinstance(output, list) and "choices" not in body:
        system = messages.read_system_prompt(body, claims, "instructions")
        item_messages, skipped = _read_items(output, "output", claims)
        return [(None, Conversation((*system, *item_messages), skipped=skipped))]
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise RecordError(
            "the answer has no choices, so there is no message to judge", code="record/empty-conversation"
        )
    conversations = [_parse_choice(choice, number, claims) for number, choice in enumerate(choices, start=1)]
    if len(conversations) == 1:
        return [(None, conversations[0])]
    return [(f"choice.{index}", conversation) for index, conversation in enumerate(conversations)]


def _parse_choice(choice: Json, number: int, claims: Claims) -> Conversation:
    if isinstance(choice, dict) and isinstance(choice.get("message"), dict):
        return Conversation(messages.read_messages([choice["message"]], f"choice {number}", claims))
    if isinstance(choice, dict) and isinstance(choice.get("text"), str):  # of a completion
        return Conversation((Message("assistant", messages.read_text(choice, "text", claims)),))
    raise RecordError(f"choice {number} has no message", code="record/missing-field")


def _parse_anthropic_result(result: Json, claims: Claims) -> tuple[Message, ...]:
    if not isinstance(result, dict):
        raise RecordError(f"result is {describe_type(result)}; it must be an object", code="record/wrong-type")
    if result.get("type") != "succeeded":
        raise RecordError(
            f"the request did not succeed: {_failure_reason(result.get('error', result.get('type')))}",
            code="record/failed-request",
        )
    claims.claim(result)
    return messages.read_messages([result.get("message")], "result", claims)


def _failure_reason(error: Json) -> str:
    """Return the code or the type of an error object. Its message may quote the conversation."""
    while isinstance(error, dict):
        names = ("error", "code", "type", "message")
        error = next((error[name] for name in names if error.get(name) is not None), None)
    return quote_value(error) if isinstance(error, str) else "no reason is given"
