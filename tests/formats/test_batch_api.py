import json

import pytest

from guardcli.formats import RecordError, batch_api
from guardcli.formats.claims import Claims
from tests.formats.in_memory import conversation, read_all

REQUEST = {"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions"}
MESSAGES = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("holder", ["body", "params", "response", "result"])
def test_matches(holder):
    assert batch_api.matches({"custom_id": "x", holder: None})


@pytest.mark.parametrize("value", [[], "x", {}, {"custom_id": "x"}, {"body": {}}])
def test_does_not_match(value):
    assert not batch_api.matches(value)


@pytest.mark.parametrize("holder", ["body", "params"])
def test_requests(holder):
    assert batch_api.parse(REQUEST | {holder: MESSAGES}, Claims()) == [(None, conversation(("user", "hi")))]


def test_a_system_prompt_outside_the_messages():
    parsed = batch_api.parse({"custom_id": "a", "params": MESSAGES | {"system": "be kind"}}, Claims())
    assert parsed == [(None, conversation(("system", "be kind"), ("user", "hi")))]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("text", [(None, conversation(("user", "text")))]),
        (["a", "b"], [("input.0", conversation(("user", "a"))), ("input.1", conversation(("user", "b")))]),
        ([{"role": "user", "content": "hi"}], [(None, conversation(("user", "hi")))]),
    ],
)
def test_moderations_and_responses_requests(asked, expected):
    assert batch_api.parse(REQUEST | {"body": {"model": "m", "input": asked}}, Claims()) == expected


def answer(*texts, **fields):
    choices = [{"index": n, "message": {"role": "assistant", "content": text}} for n, text in enumerate(texts)]
    return {"custom_id": "r1", "response": {"status_code": 200, "body": {"choices": choices}}, "error": None} | fields


def test_openai_responses():
    assert batch_api.parse(answer("hello"), Claims()) == [(None, conversation(("assistant", "hello")))]
    assert batch_api.parse(answer("a", "b"), Claims()) == [
        ("choice.0", conversation(("assistant", "a"))),
        ("choice.1", conversation(("assistant", "b"))),
    ]


def test_anthropic_results():
    message = {"role": "assistant", "content": [{"type": "text", "text": "hello"}]}
    value = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
    assert batch_api.parse(value, Claims()) == [(None, conversation(("assistant", "hello")))]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (REQUEST | {"body": "x"}, "body is text; it must be an object"),
        (REQUEST | {"body": {"prompt": 1}}, "body has neither messages, input nor prompt; it has the keys 'prompt'"),
        (REQUEST | {"body": {"messages": []}}, "empty conversation: messages has no messages"),
        (answer(), "the answer has no choices, so there is no message to judge"),
        (answer("x", error={"message": "too long"}), "the request failed: (a text of 8 characters)"),
        (answer("x", response=None), "the request failed: no reason is given"),
        (answer("x", response={"status_code": 429, "body": {"error": {}}}), "the request failed with status 429"),
        (answer("x", response={"body": {"choices": [{}]}}), "choice 1 has no message"),
        ({"custom_id": "a", "result": {"type": "expired"}}, "the request did not succeed: 'expired'"),
        (
            {"custom_id": "a", "result": {"type": "errored", "error": {"error": {"type": "overloaded"}}}},
            "the request did not succeed: 'overloaded'",
        ),
        ({"custom_id": "a", "result": [1]}, "result is a list; it must be an object"),
        ({"custom_id": "a", "result": {"type": "succeeded"}}, "message 1 is null; it must be an object"),
    ],
)
def test_record_errors(value, reason):
    with pytest.raises(RecordError) as error:
        batch_api.parse(value, Claims())
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": "hi"}, [(None, conversation(("user", "hi")))]),
        (
            {"prompt": ["a", "b"]},
            [("prompt.0", conversation(("user", "a"))), ("prompt.1", conversation(("user", "b")))],
        ),
        ({"instructions": "be kind", "input": "hi"}, [(None, conversation(("system", "be kind"), ("user", "hi")))]),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}, "and you"]},
            [(None, conversation(("user", "hi"), ("user", "and you")))],
        ),
        ({"input": [{"type": "text", "text": "hi"}]}, [(None, conversation(("user", "hi")))]),
    ],
)
def test_completions_and_responses_requests(body, expected):
    assert batch_api.parse(REQUEST | {"body": {"model": "m"} | body}, Claims()) == expected


def responses(*output):
    return {"custom_id": "r1", "response": {"status_code": 200, "body": {"object": "response", "output": list(output)}}}


SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}


def test_responses_api_output():
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "they greet me"}]}
    called = {"type": "function_call", "name": "f", "arguments": "{}"}
    value = responses({"type": "reasoning", "summary": []}, thought, called, SAID)
    ((name, parsed),) = batch_api.parse(value, Claims())
    assert name is None
    assert [(message.role, message.content) for message in parsed.messages] == [
        ("assistant", "they greet me"),
        ("assistant", "hello"),
    ]
    assert parsed.skipped == ("tool_call",)
    with pytest.raises(RecordError, match="empty conversation: output holds no message"):
        batch_api.parse(responses(called), Claims())


def test_completions_responses():
    value = {"custom_id": "r", "response": {"body": {"choices": [{"text": "a"}, {"text": "b"}]}}}
    assert batch_api.parse(value, Claims()) == [
        ("choice.0", conversation(("assistant", "a"))),
        ("choice.1", conversation(("assistant", "b"))),
    ]


def test_the_custom_id_is_the_id_of_a_response():
    (record,) = read_all(json.dumps(answer("hello", id="batch_req_1")).encode())
    assert record.key.id == "r1"
