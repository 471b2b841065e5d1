import pytest

from guardcli.conversation import Conversation, Message
from guardcli.formats import Unreadable, vercel
from guardcli.formats.account import Account

from .rows import said


def chat(*parts, role="user"):
    return {"messages": [{"id": "m1", "role": role, "parts": list(parts)}]}


@pytest.mark.parametrize("value", [chat(), chat()["messages"]])
def test_matches(value):
    assert vercel.matches(value)


@pytest.mark.parametrize("value", ["x", {}, {"messages": []}, {"messages": [{"role": "user", "content": "hi"}]}, [1]])
def test_matches_noop(value):
    assert not vercel.matches(value)


def test_text_parts_are_the_message():
    value = chat({"type": "text", "text": "hi"}, {"type": "text", "text": "there"})
    assert vercel.conversations(value, Account()) == [(None, said(("user", "hi\nthere")))]
    assert vercel.conversations(value["messages"], Account()) == vercel.conversations(value, Account())


def test_older_messages_among_newer_ones():
    value = {
        "messages": [
            {"role": "user", "content": "hi"},
            *chat({"type": "text", "text": "hello"}, role="assistant")["messages"],
        ]
    }
    assert vercel.conversations(value, Account()) == [(None, said(("user", "hi"), ("assistant", "hello")))]


def test_what_is_no_text_is_named():
    parts = [
        {"type": "step-start"},
        {"type": "reasoning", "text": "hm"},
        {"type": "tool-search", "input": {}},
        {"type": "dynamic-tool"},
        {"type": "file", "url": "x"},
        {"type": "text", "text": "hi"},
    ]
    message = Message("assistant", "hm\nhi", ("tool_call", "tool_call", "file"))
    assert vercel.conversations(chat(*parts, role="assistant"), Account()) == [(None, Conversation((message,)))]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (chat({"type": "text"}), "message 1: part 1: text is null; it must be text"),
        (chat({"text": "hi"}), "message 1: part 1 has no type"),
        (chat("hi", role="wizard"), "message 1: unknown role 'wizard'"),
        ({"messages": [{"role": "user", "parts": "hi"}, 3]}, "message 2 is a number; it must be an object"),
    ],
)
def test_unreadable(value, reason):
    with pytest.raises(Unreadable) as error:
        vercel.conversations(value, Account())
    assert error.value.reason.startswith(reason)
