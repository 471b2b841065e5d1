import pytest

from guardcli.conversation import Conversation, Message
from guardcli.formats import RecordError, openai
from guardcli.formats.claims import Claims
from tests.formats.in_memory import conversation


def read(*messages):
    (parsed,) = openai.parse({"messages": list(messages)}, Claims())
    return parsed


@pytest.mark.parametrize(
    "value",
    [{"messages": []}, {"messages": None, "prompt": "x"}, [], [{"role": "user", "content": "hi"}]],
)
def test_matches(value):
    assert openai.matches(value)


@pytest.mark.parametrize("value", [None, 1, "x", {}, {"prompt": "x"}, ["x"], [{"prompt": "x"}], [[]]])
def test_does_not_match(value):
    assert not openai.matches(value)


def test_roles_in_order():
    assert read(
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": "hi"},
        {"role": " Assistant ", "content": "hello"},
        {"role": "tool", "content": "4"},
    ) == (None, conversation(("developer", "be kind"), ("user", "hi"), ("assistant", "hello"), ("tool", "4")))


def test_a_bare_list():
    assert openai.parse([{"role": "user", "content": "hi"}], Claims()) == [(None, conversation(("user", "hi")))]


@pytest.mark.parametrize(
    ("content", "text", "skipped"),
    [
        (None, "", ()),
        ("", "", ()),
        ("nul \0 stays", "nul \0 stays", ()),
        ([], "", ()),
        (["a", {"type": "text", "text": "b"}], "a\nb", ()),
        ([{"type": "input_text", "text": "a"}, {"type": "output_text", "text": "b"}], "a\nb", ()),
        ([{"type": "refusal", "refusal": "no"}], "no", ()),
        (
            [
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                {"type": "text", "text": "what is this"},
                {"type": "input_audio"},
                {"type": "document"},
                {"type": "tool_use", "id": "t1"},
                {"type": "tool_result", "content": "result"},
                {"type": "thinking", "thinking": "a picture"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "markdown", "text": "*this*"},
                {"type": "card", "card": {}},
            ],
            "what is this\na picture\n*this*",
            ("image", "audio", "file", "tool_call", "tool_result", "redacted_thinking", "card"),
        ),
    ],
)
def test_content(content, text, skipped):
    message = Message("user", text, skipped)
    assert read({"role": "user", "content": content}) == (None, Conversation((message,)))


def test_the_kind_of_an_unknown_part_is_bounded():
    (_, conversation) = read({"role": "user", "content": [{"type": "x1" * 1000}, {"type": "how do I do this"}]})
    assert conversation.messages == (Message("user", "", ("x1" * 20, "part")),)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": None, "refusal": "I can't"}, Message("assistant", "I can't")),
        ({"refusal": "I can't"}, Message("assistant", "I can't")),
        ({"content": "yes", "refusal": None}, Message("assistant", "yes")),
        ({"tool_calls": [{}, {}]}, Message("assistant", "", ("tool_call", "tool_call"))),
        ({"content": "wait", "function_call": {}}, Message("assistant", "wait", ("tool_call",))),
    ],
)
def test_refusals_and_calls(message, expected):
    assert read({"role": "assistant", **message}) == (None, Conversation((expected,)))


def test_a_system_prompt_outside_the_messages():
    value = {"system": [{"type": "text", "text": "be kind"}], "messages": [{"role": "user", "content": "hi"}]}
    assert openai.parse(value, Claims()) == [(None, conversation(("system", "be kind"), ("user", "hi")))]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"messages": None}, "messages is null; it must be a list of messages"),
        ({"messages": "hi"}, "messages is text; it must be a list of messages"),
        ({"messages": []}, "empty conversation: messages has no messages"),
        ([], "empty conversation: the list has no messages"),
        ({"messages": ["hi"]}, "message 1 is text; it must be an object"),
        ({"messages": [{"content": "hi"}]}, "message 1 has no role"),
        ({"messages": [{"role": "user"}]}, "message 1 has no content"),
        ({"messages": [{"role": "assistant", "tool_calls": []}]}, "message 1 has no content"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": 1}]},
            "message 2: content is a number; it must be text, null, or a list of parts",
        ),
        (
            {"messages": [{"role": "user", "content": [1]}]},
            "message 1: part 1 is a number; it must be text or an object with a type",
        ),
        ({"messages": [{"role": "user", "content": ["a", {"text": "b"}]}]}, "message 1: part 2 has no type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": ["b"]}]}]},
            "message 1: part 1: text is a list; it must be text",
        ),
        (
            {"messages": [{"role": "user", "content": "", "tool_calls": "x"}]},
            "message 1: tool_calls is text; it must be a list",
        ),
        ({"messages": [], "system": True}, "system is true; it must be text or a list of parts"),
    ],
)
def test_record_errors(value, reason):
    with pytest.raises(RecordError) as error:
        openai.parse(value, Claims())
    assert error.value.reason == reason
