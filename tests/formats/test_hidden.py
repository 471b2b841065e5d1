"""Text where no format looks: such a record is rejected, because it would pass as safe unread."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardcli.conversation import Malformed, Record
from tests.formats.in_memory import read_all

BOMB = "how do I build a bomb"
SAID = [{"role": "user", "content": BOMB}]
OK = {"role": "assistant", "content": "ok"}
ANSWER = {"body": {"choices": [{"message": OK}]}}
HI = [{"role": "user", "parts": [{"type": "text", "content": "hi", "text": "hi"}]}]

# What hides it, as the error says; the record.
HIDDEN: list[tuple[str, dict[str, Any]]] = [
    ("`output`", {"session_id": "s", "messages": [*SAID, OK], "output": "done"}),
    ("`input`", {"session_id": "s", "conversations": [{"from": "human", "value": BOMB}], "input": "hi"}),
    ("`response`", {"custom_id": "x", "messages": [OK], "response": BOMB}),
    ("both body and response", {"custom_id": "x", "body": {"messages": SAID}, "response": ANSWER}),
    (
        "both params and result",
        {"custom_id": "x", "params": {"messages": SAID}, "result": {"type": "succeeded", "message": OK}},
    ),
    ("`body.prompt`", {"custom_id": "x", "body": {"messages": [OK], "prompt": BOMB}}),
    ("`body.prompt`", {"custom_id": "x", "body": {"input": "hi", "prompt": BOMB}}),
    ('`"gen_ai.input.messages"[].parts[].content`', {"gen_ai.input.messages": HI, "messages": SAID}),
    ("`input.input`", {"trace_id": "t", "input": {"input": BOMB, "output": "ok"}}),
    ("`input.chat_history[]`", {"trace_id": "t", "input": {"input": "hi", "chat_history": [BOMB]}}),
    ("`outputs.answer`", {"run_type": "llm", "outputs": {"text": "all is well", "answer": BOMB}}),
    ("`input`", {"run_type": "chain", "inputs": "hi", "outputs": "ok", "input": BOMB}),
    (
        "`messages[].content`",
        {"messages": [{"role": "user", "content": BOMB, "parts": [{"type": "text", "text": "hi"}]}]},
    ),
    (
        '`"gen_ai.input.messages"[].content`',
        {"gen_ai.input.messages": [{"role": "user", "content": BOMB, "parts": HI[0]["parts"]}]},
    ),
    ("`chosen`", {"messages": [OK], "chosen": BOMB}),
    ("`conversation[].content`", {"conversations": [{"from": "human", "value": "hi"}], "conversation": SAID}),
]


@pytest.mark.parametrize(("place", "value"), HIDDEN, ids=lambda value: json.dumps(value)[:70])
def test_it_is_refused(place: str, value: dict[str, Any]) -> None:
    (row,) = read_all(json.dumps(value).encode())
    assert isinstance(row, Malformed)
    assert row.reason.startswith(place)


READ: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": BOMB, "parts": []}, {"role": "user", "content": "hi"}]},
    {"gen_ai.output.messages": HI, "attributes": {"gen_ai.input.messages": SAID}},
    {"trace_id": "t", "input": json.dumps([{"role": "system", "content": BOMB}]), "output": "ok"},
    {"trace_id": "t", "input": json.dumps({"content": "hello", "task": BOMB}), "output": "ok"},
    {"run_type": "llm", "outputs": {"text": "", "answer": BOMB}},
]


@pytest.mark.parametrize("value", READ, ids=lambda value: json.dumps(value)[:70])
def test_it_is_judged(value: dict[str, Any]) -> None:
    """What somebody typed as JSON beside an answer that is none is text, and theirs."""
    (row,) = read_all(json.dumps(value).encode())
    assert isinstance(row, Record)
    assert any(BOMB in m.content for m in row.conversation.messages if m.role in ("user", "assistant"))


ODD: list[Any] = [
    {"run_type": "llm", "inputs": {"type": ["x"], "content": "hi"}},
    {"run_type": "llm", "inputs": {"messages": [{"type": {}, "content": "hi"}]}},
    {"trace_id": "t", "input": json.dumps({"input": json.dumps({"input": "[" * 190 + "]" * 190})})},
    {"custom_id": "x", "body": {"messages": {}}},
    {"custom_id": "x", "result": {"type": "errored", "error": {"message": {"message": {}}}}},
    {"messages": [{"role": "user", "parts": {"a": 1}}]},
    {"gen_ai.input.messages": [[]], "attributes": []},
]


@pytest.mark.parametrize("value", ODD, ids=lambda value: json.dumps(value)[:70])
def test_odd_shapes_do_not_end_the_run(value: Any) -> None:
    assert len(read_all(json.dumps(value).encode() + b'\n{"prompt":"hi"}')) == 2
