import pytest

from guardcli.conversation import Conversation, Message
from guardcli.formats import RecordError, ai_sdk
from guardcli.formats.claims import Claims
from tests.formats.in_memory import conversation


def chat(*parts, role="user"):
    return {"messages": [{"id": "m1", "role": role, "parts": list(parts)}]}


@pytest.mark.parametrize("value", [chat(), chat()["messages"]])
def test_matches(value):
    assert ai_sdk.matches(value)


@pytest.mark.parametrize("value", ["x", {}, {"messages": []}, {"messages": [{"role": "user", "content": "hi"}]}, [1]])
def test_does_not_match(value):
    assert not ai_sdk.matches(value)


def test_text_parts_are_the_message():
    value = chat({"type": "text", "text": "hi"}, {"type": "text", "text": "there"})
    assert ai_sdk.parse(value, Claims()) == [(None, conversation(("user", "hi\nthere")))]
    assert ai_sdk.parse(value["messages"], Claims()) == ai_sdk.parse(value, Claims())


def test_older_messages_among_newer_ones():
    value = {
        "messages": [
            {"role": "user", "content": "hi"},
            *chat({"type": "text", "text": "hello"}, role="assistant")["messages"],
        ]
    }
    assert ai_sdk.parse(value, Claims()) == [(None, conversation(("user", "hi"), ("assistant", "hello")))]


def test_non_text_parts_are_skipped_by_kind():
    parts = [
        {"type": "step-start"},
        {"type": "reasoning", "text": "hm"},
        {"type": "tool-search", "input": {}},
        {"type": "dynamic-tool"},
        {"type": "file", "url": "x"},
        {"type": "text", "text": "hi"},
    ]
    message = Message("assistant", "hm\nhi", ("tool_call", "tool_call", "file"))
    assert ai_sdk.parse(chat(*parts, role="assistant"), Claims()) == [(None, Conversation((message,)))]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (chat({"type": "text"}), "message 1: part 1: text is null; it must be text"),
        (chat({"text": "hi"}), "message 1: part 1 has no type"),
        (chat("hi", role="wizard"), "message 1: unknown role 'wizard'"),
        ({"messages": [{"role": "user", "parts": "hi"}, 3]}, "message 2 is a number; it must be an object"),
    ],
)
def test_record_errors(value, reason):
    with pytest.raises(RecordError) as error:
        ai_sdk.parse(value, Claims())
    assert error.value.reason.startswith(reason)
