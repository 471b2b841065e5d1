"""Parse or validate one conversation that is already in memory, such as an argument of `Guard.check`."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from guardcli.conversation import Conversation, Json, Message, Role
from guardcli.formats.compiled_options import CompiledOptions
from guardcli.formats.decoding import check_json, check_nul, replace_lone_surrogates
from guardcli.formats.errors import RecordError, describe_type
from guardcli.formats.read_report import ReadReport
from guardcli.formats.records import record_id
from guardcli.formats.registry import parse_conversations


def parse(value: Json) -> Conversation:
    """Return the conversation in a JSON value of any format; a string is a user's prompt.

    >>> parse({"prompt": "How do I bake bread?"}).messages
    (Message(role='user', content='How do I bake bread?', skipped=()),)

    Raises:
        RecordError: The value holds no conversation, or more than one.
    """
    try:
        if isinstance(value, (str, list, dict)):
            check_json(value)
        value, flags = replace_lone_surrogates(value)
    except RecursionError:
        raise RecordError("nested too deeply", code="record/too-complex") from None
    conversations = parse_conversations(value, CompiledOptions(), ReadReport())
    if len(conversations) > 1:
        raise RecordError(
            f"{len(conversations)} conversations in one value, expected one; pass them one by one",
            code="record/several-conversations",
        )
    ((_, conversation),) = conversations
    return replace(conversation, id=record_id(value), flags=(*flags, *conversation.flags))


def validate_conversation(conversation: Conversation) -> Conversation:
    """Check a conversation built in Python; return it with lone surrogates replaced, and flagged as in other input.

    Raises:
        RecordError: A message, a role or a text is of the wrong type, or a text contains NUL.
    """
    if not isinstance(conversation.messages, tuple | list):
        raise RecordError(
            f"messages is {describe_type(conversation.messages)}; it must be a tuple of messages",
            code="record/wrong-type",
        )
    for number, message in enumerate(conversation.messages, start=1):
        if not isinstance(message, Message):
            raise RecordError(
                f"message {number} is {describe_type(message)}; it must be a Message", code="record/wrong-type"
            )
        if not isinstance(message.content, str):
            raise RecordError(
                f"message {number}: its content is {describe_type(message.content)}; it must be text",
                code="record/wrong-type",
            )
        if message.role not in get_args(Role):
            raise RecordError(
                f"message {number}: its role must be one of {', '.join(get_args(Role))}", code="record/unknown-role"
            )
        check_nul(message.content)
    texts, flags = replace_lone_surrogates([message.content for message in conversation.messages])
    if not flags:
        return conversation
    assert isinstance(texts, list)
    messages = tuple(
        replace(message, content=str(text)) for message, text in zip(conversation.messages, texts, strict=True)
    )
    return replace(conversation, messages=messages, flags=(*conversation.flags, *flags))
