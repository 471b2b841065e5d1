import json

import pytest

from guardcli.formats import RecordError, parse, traces
from guardcli.formats.claims import Claims
from tests.formats.in_memory import conversation

HI, HELLO = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
BOTH = [(None, conversation(("user", "hi"), ("assistant", "hello")))]


@pytest.mark.parametrize(
    "value",
    [
        {"trace_id": "t", "input": "hi"},
        {"session_id": None, "output": "hi"},
        {"run_type": "llm", "inputs": {}},
        {"run_type": "chain", "outputs": None},
    ],
)
def test_matches(value):
    assert traces.matches(value)


@pytest.mark.parametrize("value", [[], "x", {}, {"input": "hi"}, {"trace_id": "t"}, {"run_type": "llm"}])
def test_does_not_match(value):
    assert not traces.matches(value)


@pytest.mark.parametrize(
    "given", ["hi", [HI], HI, {"messages": [HI]}, {"input": "hi"}, {"query": "hi"}, {"messages": [[HI]]}]
)
@pytest.mark.parametrize(
    "answered", ["hello", [HELLO], HELLO, {"content": "hello"}, {"choices": [{"index": 0, "message": HELLO}]}]
)
def test_langfuse(given, answered):
    assert traces.parse({"trace_id": "t", "input": given, "output": answered}, Claims()) == BOTH
    texts = [json.dumps(value) for value in (given, answered)]
    assert traces.parse({"trace_id": "t", "input": texts[0], "output": texts[1]}, Claims()) == BOTH


HUMAN = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain", "schema", "messages", "HumanMessage"],
    "kwargs": {"content": "hi"},
}
AI = {"type": "ai", "data": {"content": "hello"}}


@pytest.mark.parametrize("given", [[HI], [[HI]], [HUMAN], [[HUMAN]], [{"type": "human", "content": "hi"}]])
@pytest.mark.parametrize(
    "answered",
    [
        {"messages": [HELLO]},
        {"choices": [{"message": HELLO}]},
        {"generations": [[{"text": "hello"}]]},
        {"generations": [[{"text": "hello", "message": AI}]]},
        {"output": "hello"},
        HELLO,
    ],
)
def test_langsmith(given, answered):
    assert traces.parse({"run_type": "llm", "inputs": {"messages": given}, "outputs": answered}, Claims()) == BOTH


def test_a_text_that_only_begins_like_json_is_a_text():
    value = {"trace_id": "t", "input": "[not json] hi", "output": "{}"}
    assert traces.parse(value, Claims()) == [(None, conversation(("user", "[not json] hi"), ("assistant", "{}")))]


def test_parsed_json_texts_are_not_unread_text():
    assert (
        parse({"trace_id": "t", "input": json.dumps([HI]), "output": json.dumps(HELLO)}).messages == BOTH[0][1].messages
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"trace_id": "t", "input": None, "output": ""}, "empty conversation: input and output hold no message"),
        ({"trace_id": "t", "input": 3}, "input is a number; it must be text, a message, or messages"),
        (
            {"run_type": "llm", "inputs": {"x": 1}},
            "inputs holds no messages; it has the keys 'x' (ReadOptions.messages_path",
        ),
        (
            {"run_type": "llm", "inputs": {"messages": [[HI], [HI]]}},
            "inputs.messages holds 2 conversations; export them",
        ),
        ({"run_type": "llm", "inputs": {"messages": [{"role": "x", "content": "y"}]}}, "message 1: unknown role 'x'"),
        ({"run_type": "llm", "inputs": {"messages": [{"role": "user"}]}}, "message 1 has no content"),
    ],
)
def test_record_errors(value, reason):
    with pytest.raises(RecordError) as error:
        traces.parse(value, Claims())
    assert error.value.reason.startswith(reason)


ARGUMENTS = [
    ({"args": ["hi"], "kwargs": {}}, [("user", "hi")]),
    ({"args": [], "kwargs": {"query": "hi"}}, [("user", "hi")]),
    (
        {"args": ["hi", 5, None, "3f2504e0-4f89"], "kwargs": {"n": 1, "text": "more"}},
        [("user", "hi"), ("user", "more")],
    ),
    ({"args": [[HI, HELLO]], "kwargs": {}}, [("user", "hi"), ("assistant", "hello")]),
    ({"args": [], "kwargs": {"messages": [HI]}}, [("user", "hi")]),
    ({"args": [{"messages": [HI], "model": "m"}], "kwargs": {}}, [("user", "hi")]),
]


@pytest.mark.parametrize(("given", "heard"), ARGUMENTS)
def test_the_arguments_of_an_observed_function(given, heard):
    for value in ({"input": given}, {"input": json.dumps(given)}):
        messages = parse({"trace_id": "t", "output": None, **value}).messages
        assert [(message.role, message.content) for message in messages] == heard


def test_arguments_without_text():
    with pytest.raises(RecordError, match="holds the arguments of a function, and none of them is text"):
        parse({"trace_id": "t", "input": {"args": [5], "kwargs": {"id": "3f2504e0-4f89"}}})


@pytest.mark.parametrize(
    "typed",
    [
        {"role": "user", "content": "Hi", "x": "how do I build it"},
        {"role": "system", "content": "how do I build it"},
        {"messages": [{"role": "user", "content": "Hi", "text": "how do I build it"}]},
        {"question": "how do I build it", "x": [1]},
        {"unknown": {"to": "how do I build it"}},
        [[{"role": "user", "content": "hi"}], [{"role": "user", "content": "how do I build it"}]],
    ],
)
def test_json_that_a_user_typed_is_judged_as_text(typed):
    """Also where the answer is JSON, so that all of the row looks as an exporter writes it."""
    conversation = parse({"trace_id": "t", "input": json.dumps(typed), "output": '{"answer": "Sorry."}'})
    assert conversation.unread == ()
    judged = conversation.messages[conversation.num_operator_messages :]
    assert any("how do I build it" in message.content for message in judged)


@pytest.mark.parametrize("value", [{"op_name": "chat", "inputs": {"messages": [HI]}, "output": "hello"}])
def test_weave(value):
    assert parse(value).messages == BOTH[0][1].messages
