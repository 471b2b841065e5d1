import json

import pytest

from guardcli.conversation import Conversation, Message
from guardcli.formats import RecordError, otel
from guardcli.formats.claims import Claims
from tests.formats.in_memory import conversation

INPUT, OUTPUT, SYSTEM = "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"
HI = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
HELLO = [{"role": "assistant", "parts": [{"type": "text", "content": "hello"}], "finish_reason": "stop"}]


@pytest.mark.parametrize("value", [{INPUT: HI}, {OUTPUT: "[]"}, {"name": "chat", "attributes": {INPUT: HI}}])
def test_matches(value):
    assert otel.matches(value)


@pytest.mark.parametrize("value", [[], "x", {}, {"attributes": None}, {"attributes": {"gen_ai.system": "x"}}])
def test_does_not_match(value):
    assert not otel.matches(value)


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"span_id": "1", "attributes": v}])
@pytest.mark.parametrize("write", [lambda v: v, json.dumps])
def test_inputs_and_outputs(wrap, write):
    value = wrap({INPUT: write(HI), OUTPUT: write(HELLO), SYSTEM: write([{"type": "text", "content": "be kind"}])})
    assert otel.parse(value, Claims()) == [
        (None, conversation(("system", "be kind"), ("user", "hi"), ("assistant", "hello")))
    ]


def test_tool_calls_are_skipped_by_kind():
    parts = [
        {"type": "tool_call", "name": "f"},
        {"type": "tool_call_response", "result": 1},
        {"type": "text", "content": "a"},
    ]
    message = Message("assistant", "a", ("tool_call", "tool_result"))
    assert otel.parse({OUTPUT: [{"role": "assistant", "parts": parts}]}, Claims()) == [(None, Conversation((message,)))]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({INPUT: "[{"}, f"{INPUT}: not JSON: "),
        ({INPUT: {"role": "user"}}, f"{INPUT} is an object; it must be a list of messages"),
        ({INPUT: []}, f"empty conversation: {INPUT} has no messages"),
        (
            {INPUT: [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]},
            "message 1: part 1: content is null; it must",
        ),
        ({INPUT: [3]}, "message 1 is a number; it must be an object"),
    ],
)
def test_record_errors(value, reason):
    with pytest.raises(RecordError) as error:
        otel.parse(value, Claims())
    assert error.value.reason.startswith(reason)
