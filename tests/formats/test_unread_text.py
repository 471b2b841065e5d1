"""What becomes of text that no reader claims: refused, listed, or metadata."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from guardcli import formats
from guardcli.conversation import Conversation, Malformed, Record
from guardcli.errors import as_options
from guardcli.formats.paths import parse_paths
from tests.formats.in_memory import read_all

USER = [{"role": "user", "content": "hi"}]
SYSTEM = {"role": "system", "content": "how do I build it"}
TEXT = "how do I build it"

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": USER, "response": "evil"}, "response"),
    ({"prompt": "evil", "messages": USER}, "prompt"),
    ({"prompt": "Summarize", "input": "evil"}, "input"),
    ({"prompt": "p", "response": "ok", "output": "evil"}, "output"),
    ({"conversations": [{"from": "human", "value": "hi"}], "answer": "evil"}, "answer"),
    ({"prompt": [{"role": "user", "content": "evil"}], "messages": USER}, "prompt[].content"),
    ({"prompt": "p", "text": "evil"}, "text"),
    ({"messages": USER, "text": TEXT}, "text"),
    ({"messages": USER, "prompt": {"text": TEXT}}, "prompt.text"),
    ({"messages": USER, "prompt": {"anything": {"at": ["all", TEXT]}}}, "prompt.anything.at[]"),
    ({"messages": USER, "prompt": [[TEXT]]}, "prompt[][]"),
    ({"messages": USER, "history": [{"role": "user", "content": TEXT}]}, "history[].content"),
    ({"messages": [*USER, {"role": "assistant", "content": "a", "text": TEXT}]}, "messages[].text"),
    ({"messages": [{"role": "user", "content": "hi", "context": TEXT}]}, "messages[].context"),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "value": TEXT}]}]},
        "messages[].content[].value",
    ),
    ({"conversations": [{"from": "human", "value": "hi", "content": TEXT}]}, "conversations[].content"),
    ({"prompt": "hi", "Prompt": TEXT}, "Prompt"),
    ({"prompt": "hi", "user_input": TEXT}, "user_input"),
    ({"prompt": "hi", "response_0": TEXT}, "response_0"),
    ({"prompt": "hi", "metadata": {"response": TEXT}}, "metadata.response"),
    ({"prompt": "hi", "meta": json.dumps({"history": [TEXT]})}, "meta.history[]"),
    ({"prompt": "hi", "a": {"b": [{"c": {"message": TEXT}}]}}, "a.b[].c.message"),
    ({"prompt": "hi", "x.y": {"text": TEXT}}, '"x.y".text'),
    ({"messages": [SYSTEM, *USER], "prompt": TEXT}, "prompt"),
    ({"custom_id": "c", "body": {"messages": USER, "prompt": TEXT}}, "body.prompt"),
    (
        {"custom_id": "c", "response": {"body": {"choices": [{"text": TEXT, "message": USER[0]}]}}},
        "response.body.choices[].text",
    ),
    ({"messages": USER, "completion": {"text": TEXT}}, "completion.text"),
    ({"messages": USER, "output": "请告诉我怎么做"}, "output"),
    (
        {"prompt": [{"role": "user", "content": TEXT}], "chosen": [*USER, {"role": "assistant", "content": "oh"}]},
        "prompt[].content",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "paragraph", "content": [{"type": "text", "text": TEXT}]}]}
            ]
        },
        "messages[].content[].content[].text",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}, "text": TEXT}]}
            ]
        },
        "messages[].content[].text",
    ),
    ({"messages": USER, "context": "https://x.example/?q=how+do+i+do+it"}, "context"),
]


@pytest.mark.parametrize(("value", "place"), REFUSED, ids=lambda value: json.dumps(value)[:70])
def test_text_under_a_name_that_holds_speech_is_refused(value: dict[str, Any], place: str) -> None:
    with pytest.raises(formats.RecordError) as caught:
        formats.parse(value)
    option = shlex.quote(place)
    assert as_options(str(caught.value)) == (
        f"`{place}` has text outside any message, which would not be judged; judge it with --text-field {option}, "
        f"or leave it out with --ignore {option}"
    )


@pytest.mark.parametrize(("value", "place"), REFUSED, ids=lambda value: json.dumps(value)[:70])
def test_the_options_that_the_message_names_settle_it(value: dict[str, Any], place: str) -> None:
    content = json.dumps(value).encode()
    (ignored,) = read_all(content, ignore=place)
    assert isinstance(ignored, Record)
    assert ignored.conversation.unread == ()
    judged = read_all(content, text_fields=[place])
    assert all(isinstance(row, Record) for row in judged)
    assert judged[0].conversation.messages == ignored.conversation.messages  # type: ignore[union-attr]
    assert [row.key.part for row in judged][1:], "a row of its own"
    assert len({row.key for row in judged}) == len(judged)


UNREAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"prompt": "hi", "title": TEXT, "notes": TEXT}, ("title", "notes")),
    ({"messages": [{"role": "user", "content": "hi", "name": TEXT}]}, ("messages[].name",)),
    ({"messages": [USER[0] | {"note": TEXT}, USER[0] | {"note": "also this one"}]}, ("messages[].note",)),
    ({"prompt": "hi", "a": {"b": [TEXT]}}, ("a.b[]",)),
    ({"prompt": "hi", TEXT + " at home": 1}, ("{text}",)),
    ({"prompt": "hi", "a": {TEXT + " at home": {"b": TEXT}}}, ("a.{text}", "a.{text}.b")),
    ({"prompt": "hi", "id": TEXT}, ("id",)),
    ({"prompt": "hi", "words": TEXT.split()}, ("words[]",)),
    ({"prompt": "hi", "words": [*TEXT.split(), None, "https://x.example/" + "a" * 50]}, ("words[]",)),
    ({"prompt": "skill assessment", "title": "kill asses"}, ("title",)),
    ({"prompt": "hi", "回答extra": {"x": TEXT}}, ("回答extra.x",)),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "card", "body": TEXT}]}]},
        ("messages[].content[].body",),
    ),
    ({"prompt": "hi", "category": TEXT}, ("category",)),
    ({"prompt": "hi", "metadata": TEXT}, ("metadata",)),
    ({"prompt": "hi", "error_message": TEXT}, ("error_message",)),
    ({"prompt": "hi", "标题": "请告诉我怎么制造炸弹"}, ("标题",)),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "x": TEXT}]}]},
        ("messages[].content[].x",),
    ),
    ({"trace_id": "t", "input": {"messages": USER, "task": TEXT}}, ("input.task",)),
]


@pytest.mark.parametrize(("value", "places"), UNREAD, ids=lambda value: json.dumps(value)[:70])
def test_other_text_is_listed_by_path(value: dict[str, Any], places: tuple[str, ...]) -> None:
    conversation = formats.parse(value)
    assert sorted(conversation.unread) == sorted(places)
    assert "unread_text" in conversation.flags
    (ignored,) = read_all(json.dumps(value).encode(), ignore=",".join(places))
    assert isinstance(ignored, Record)
    assert (ignored.conversation.unread, ignored.conversation.flags) == ((), ())


ACCOUNTED: list[dict[str, Any]] = [
    {"prompt": "hi", "messages": USER},
    {"messages": USER, "text": "<|user|>hi", "response": None, "output": " "},
    {"messages": USER, "text": "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"},
    {
        "messages": [{"role": "user", "content": "Hi to you"}, {"role": "assistant", "content": "Oh hello"}],
        "text": "### User: Hi to you\n\n### Assistant: Oh hello</s>",
        "history": ["Hi to you"],
    },
    {"instruction": "Do", "input": "this"},
    {"prompt": "a", "question": "a"},
    {"prompt": "a", "input": 5},
    {"transcript": "\n\nHuman: hi", "text": "Human: hi"},
    {
        "prompt": "how do I build it",
        "tokens": ["how", "do", "I", "build", "it"],
        "tags": ["late", "vip", "new", "order"],
    },
    {"prompt": "hi", "usage": {"note": TEXT}, "model_parameters": {"stop_at": TEXT}, "metadata": {"route": [TEXT]}},
    {
        "prompt": "hi",
        "categories": ["Guns and Illegal Weapons"],
        "label": "mostly harmless",
        "language": "Swiss German",
    },
    {"prompt": "hi", "category": {"Guns and Illegal Weapons": False}},
    {"prompt": "how do I build it today", "title": "how do I build it"},
    {"prompt": "hi", "id": "how-do-i-build-a-bomb-17"},
]


@pytest.mark.parametrize("value", ACCOUNTED, ids=lambda value: json.dumps(value)[:70])
def test_judged_text_and_metadata_are_not_listed(value: dict[str, Any]) -> None:
    conversation = formats.parse(value)
    assert (conversation.unread, conversation.flags) == ((), ())


NOT_A_RENDERING = [
    "hi a human customer",
    "user hi model agent",
    "<|user|>hi there",
    "hi and how do I build it",
    "User: hi Assistant: sure, here it is",
    "how do I build it hi",
    "hihihi how",
]


@pytest.mark.parametrize("text", NOT_A_RENDERING)
def test_a_rendering_with_other_text_in_it_is_not_a_copy(text: str) -> None:
    with pytest.raises(formats.RecordError, match="`text` has text"):
        formats.parse({"messages": USER, "text": text})


def test_pieces_of_words_are_no_messages_in_a_rendering() -> None:
    letters = [{"role": "user", "content": letter} for letter in "howdibultm"]
    with pytest.raises(formats.RecordError, match="`text` has text"):
        formats.parse({"messages": letters, "text": TEXT})


def test_definitions_of_tools_are_counted() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": TEXT}}
    conversation = formats.parse({"messages": USER, "tools": [tool, tool], "tool_choice": "auto"})
    assert (conversation.skipped, conversation.unread) == (("tool_definition",) * 2, ())


def test_ignored_paths_cover_everything_below_them_and_leave_out_lists() -> None:
    value = {
        "messages": [{"role": "user", "content": "hi", "note": TEXT}],
        "a": [{"b": {"c": TEXT}, "d": TEXT}, TEXT],
        "b": TEXT,
        "x.y": {"z": TEXT},
        "x": {"y": TEXT},
    }
    (record,) = read_all(json.dumps(value).encode(), ignore='a.b, messages[].note,"x.y"')
    assert isinstance(record, Record)
    assert set(record.conversation.unread) == {"a[].d", "a[]", "b", "x.y"}


@pytest.mark.parametrize("text", ["", ",", "a..b", "["])
def test_invalid_paths(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid path"):
        parse_paths(text)


def test_text_fields_make_records_of_values_without_a_format() -> None:
    content = json.dumps({"id": "a", "comment": {"body": ["one text", "", "another text"]}, "n": 1}).encode()
    records = read_all(content, text_fields=["comment.body"])
    assert [row.key.part for row in records] == ["comment.body.0", "comment.body.1"]
    assert [row.conversation.messages[0].content for row in records] == ["one text", "another text"]  # type: ignore[union-attr]
    (missing,) = read_all(content, text_fields=["elsewhere"])
    assert isinstance(missing, Malformed)


def test_a_row_lists_a_limited_number_of_paths() -> None:
    conversation = formats.parse({"prompt": "hi", **{f"note{n}": f"note number {n} here" for n in range(200)}})
    assert len(conversation.unread) == 101
    assert conversation.unread[-1] == "…"


def test_every_conversation_of_a_record_says_what_was_not_read() -> None:
    records = read_all(json.dumps({"chosen": "Human: hi", "rejected": "Human: bye", "title": TEXT}).encode())
    assert [row.conversation.unread for row in records if isinstance(row, Record)] == [("title",)] * 2


def test_reasoning_is_judged_with_its_message_and_flagged() -> None:
    message = {"role": "assistant", "content": "No.", "reasoning_content": TEXT, "reasoning": TEXT}
    conversation = formats.parse({"messages": [message]})
    assert isinstance(conversation, Conversation)
    assert (conversation.messages[0].content, conversation.flags) == (f"{TEXT}\nNo.", ("reasoning",))


def test_a_refusal_is_judged_with_the_content() -> None:
    message = {"role": "assistant", "content": "a", "refusal": "b"}
    assert formats.parse({"messages": [message]}).messages[0].content == "a\nb"


def test_the_transcript_of_audio_is_judged() -> None:
    message = {"role": "assistant", "content": None, "audio": {"id": "a", "data": "UklGRg==", "transcript": TEXT}}
    assert formats.parse({"messages": [message]}).messages[0].content == TEXT


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "from": "human", "content": TEXT},
        {"role": "tool", "Role": "user", "content": TEXT},
        {"role": "system", "author": "user", "content": TEXT},
    ],
)
def test_two_names_for_two_different_roles(message: dict[str, str]) -> None:
    with pytest.raises(formats.RecordError, match="name two different roles"):
        formats.parse({"messages": [message, *USER]})


def test_a_field_that_a_reader_skips_is_judged_where_an_option_names_it() -> None:
    records = read_all(json.dumps({"prompt": "hi", "system": TEXT}).encode(), text_fields=["system"])
    assert [row.key.part for row in records] == [None, "system"]


def test_tool_calls_only_in_additional_kwargs_are_counted() -> None:
    call = {"type": "ai", "content": "ok", "additional_kwargs": {"function_call": {"name": "x", "arguments": TEXT}}}
    assert formats.parse({"run_type": "llm", "inputs": "hi", "outputs": [call]}).skipped == ("tool_call",)


@pytest.mark.slow
def test_many_marks_and_blank_rows_take_no_time_of_their_own() -> None:
    """Each took minutes."""
    for content in (
        b"\x1e" * 1_000_000 + b"\nhi\n",
        b"\xef\xbb\xbf" * 300_000 + b"hi\n",
        b"id,prompt\n1,hi\n" + b"\n" * 1_000_000 + b"2,hi\n",
    ):
        assert read_all(content, max_record_bytes=1 << 24)
    texts = [{"role": "user", "content": f"a{n}"} for n in range(5_000)]
    assert read_all(json.dumps({"messages": texts, "note": "a " * 500_000}).encode(), max_record_bytes=1 << 24)
