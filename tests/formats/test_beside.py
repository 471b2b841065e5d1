"""Documents and tools of a record, which some criteria are about, and calls of functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardcli.conversation import Document, Record
from guardcli.formats import ReadOptions, RecordError, parse
from guardcli.formats.requests import index_requests, join_requests
from guardcli.prompts.turns import turns

HI = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ("All of it.", (Document("All of it.", '{"doc_id": "0", "text": "All of it."}'),)),
        (["a", "ü"], (Document("a", '{"doc_id": "0", "text": "a"}'), Document("ü", '{"doc_id": "1", "text": "ü"}'))),
        ([{"doc_id": "7", "text": "a"}], (Document("a", '{"doc_id": "7", "text": "a"}'),)),
        (
            [{"page_content": "a", "metadata": {"p": 1}}],
            (Document("a", '{"page_content": "a", "metadata": {"p": 1}}'),),
        ),
        ([], ()),
        ([1], ()),
        (["a", {"url": "b"}], ()),
        (None, ()),
    ],
)
def test_documents(documents: Any, expected: tuple[Document, ...]) -> None:
    for record in (HI | {"documents": documents}, {"prompt": "hi", "response": "ho", "documents": documents}):
        conversation = parse(record)
        assert conversation.documents == expected
        assert [message.content for message in conversation.messages] == ["hi", "ho"]


def test_documents_are_not_unread_text_and_a_field_of_another_form_is() -> None:
    text = "This is the manual of the machine, and nobody has read it."
    assert parse(HI | {"documents": [{"text": text}]}).unread == ()
    assert parse(HI | {"documents": {"manual": text}}).unread == ("documents.manual",)


def test_documents_that_the_policy_does_not_read_are_counted() -> None:
    conversation = parse(HI | {"documents": ["a", "b"], "tools": [TOOL]})
    assert turns(conversation).skipped == {"document": 2, "tool_definition": 1}
    assert turns(conversation, needs=["documents"]).skipped == {"tool_definition": 1}
    assert turns(conversation, needs=["documents", "tools"]).skipped == {}


def test_calls_are_text_where_the_policy_is_about_tools() -> None:
    said = [{"role": "user", "content": "Do f."}, {"role": "assistant", "content": "OK", "tool_calls": [CALL, CALL]}]
    conversation = parse({"messages": said, "tools": [TOOL]})
    assert conversation.tools == ('{"type": "function", "function": {"name": "f", "parameters": {}}}',)
    assert conversation.messages[1].calls == ('{"name": "f", "arguments": {"x": 1}}',) * 2
    assert turns(conversation).all[1].text == "OK"
    assert turns(conversation).skipped == {"tool_call": 2, "tool_definition": 1}
    called = turns(conversation, needs=["tools"])
    call = '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>'
    assert (called.all[1].text, called.skipped) == (f"OK\n{call}\n{call}", {})


def test_a_message_of_a_call_alone_has_text_where_the_policy_is_about_tools() -> None:
    said = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": {"x": [1]}}}
    conversation = parse({"messages": [said]})
    assert turns(conversation).all[0].blank
    assert turns(conversation, needs=["tools"]).all[0].text == (
        '<tool_call>\n{"name": "f", "arguments": {"x": [1]}}\n</tool_call>'
    )


@pytest.mark.parametrize(
    "record",
    [
        HI | {"documents": ["a\0b"]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "\0"}}]}]},
    ],
)
def test_no_nul(record: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="NUL"):
        parse(record)


def test_a_batch_request_and_its_answer(tmp_path: Path) -> None:
    body = {"messages": HI["messages"][:1], "documents": ["a"], "tools": [TOOL]}
    request = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    choice = {"message": {"role": "assistant", "content": "ho"}}
    answer = {"custom_id": "1", "response": {"status_code": 200, "body": {"choices": [choice]}}, "error": None}
    for name, value in (("in.jsonl", request), ("out.jsonl", answer)):
        (tmp_path / name).write_text(json.dumps(value) + "\n")
    read = ReadOptions().read
    (joined,) = join_requests(read(tmp_path / "out.jsonl"), index_requests(read(tmp_path / "in.jsonl")))
    assert isinstance(joined, Record)
    conversation = joined.conversation
    assert (len(conversation.messages), len(conversation.documents), len(conversation.tools)) == (2, 1, 1)
