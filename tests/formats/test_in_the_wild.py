"""One row of each kind of export that people have: read as the right format, by sniffing alone."""

from __future__ import annotations

import json

import pytest

from guardcli.conversation import Record
from guardcli.formats import ReadReport
from tests.formats.in_memory import read_all

HI = {"role": "user", "content": "hi"}
HELLO = {"role": "assistant", "content": "hello"}
PARTS = [{"type": "text", "text": "hello"}]

WILD = {
    "openai": [
        {"messages": [{"role": "system", "content": "Be kind."}, HI, HELLO]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]}]},
        {
            "system": "Be kind.",
            "messages": [HI, {"role": "assistant", "content": [*PARTS, {"type": "tool_use", "id": "t"}]}],
        },
        {"shield_id": "llama-guard", "messages": [HI]},
    ],
    "batches": [
        {"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": [HI]}},
        {"custom_id": "m1", "method": "POST", "url": "/v1/moderations", "body": {"model": "m", "input": "hi"}},
        {
            "id": "b",
            "custom_id": "r1",
            "response": {"status_code": 200, "body": {"choices": [{"message": HELLO}]}},
            "error": None,
        },
        {"custom_id": "a", "params": {"model": "claude", "max_tokens": 99, "messages": [HI]}},
        {"custom_id": "a", "result": {"type": "succeeded", "message": {"role": "assistant", "content": PARTS}}},
    ],
    "sharegpt": [
        {"id": "c1", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
        {"conversation_id": "c1", "model": "vicuna", "conversation": [HI, HELLO], "turn": 1, "language": "English"},
        {
            "conversation_hash": "h",
            "conversation": [HI | {"toxic": False, "turn_identifier": 1}],
            "detoxify_moderation": [{}],
        },
    ],
    "hh": [{"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: go away"}],
    "vercel": [{"messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]}],
    "telemetry": [{"gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]}],
    "traces": [
        {
            "id": "o1",
            "trace_id": "t1",
            "type": "GENERATION",
            "input": json.dumps([HI]),
            "output": json.dumps(HELLO),
            "session_id": "s",
        },
        {
            "id": "r1",
            "name": "ChatOpenAI",
            "run_type": "llm",
            "inputs": {"messages": [HI]},
            "outputs": {"messages": [HELLO]},
        },
    ],
    "pairs": [
        {"prompt": "hi", "response": "hello"},
        {"prompt": "text", "S": 0, "H": 1},
        {"model": "llama-guard", "input": ["hi"]},
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WILD.items() for value in values])
def test_each_export_is_recognized(name: str, value: object) -> None:
    report = ReadReport()
    records = read_all(json.dumps(value).encode(), report=report)
    assert list(report.formats) == [("in", name)]
    for row in records:
        assert isinstance(row, Record)
        assert any(message.content in ("hi", "hello", "text", "go away") for message in row.conversation.messages)


FOREIGN = [
    {},
    {"a": 1},
    [],
    [1],
    3,
    None,
    True,
    {"messages": None},
    {"messages": "hi"},
    {"messages": [1]},
    {"messages": [{"role": "user"}]},
    {"messages": [{"content": "hi"}]},
    {"conversation": "hi"},
    {"conversations": {}},
    {"prompt": 1},
    {"custom_id": "x", "body": {}},
    {"custom_id": "x", "response": {}},
    {"run_type": "llm", "inputs": {}},
    {"trace_id": "t", "input": {"x": []}},
    {"gen_ai.input.messages": "hi"},
    {"event": "click", "user": "u1", "ts": 17},
    {"choices": [{"message": HELLO}]},
    {"data": {"messages": [HI]}},
    {"chosen": 3},
]


@pytest.mark.parametrize("value", FOREIGN, ids=json.dumps)
def test_unknown_shapes_have_a_reason(value: object) -> None:
    for row in read_all(b'{"prompt":"x"}\n' + json.dumps(value).encode())[1:]:
        assert not isinstance(row, Record)
        assert len(row.reason) > 10
