import io

import pytest

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.formats import ReadReport
from tests.formats.in_memory import Pipe, conversation, read, read_all, read_texts


def is_transcript(text):
    report = ReadReport()
    read_all(text.encode(), report=report)
    return ("in", "transcript") in report.formats


@pytest.mark.parametrize(
    "line",
    [
        "User: hi", "USER:hi", "human:", "Customer: x", "Prompter: x", "**User**: hi", "**User:** hi",
        "<user> hi", "<user>: hi", "[user] hi", "[Assistant]: hi", "AI: x", "Agent: x", "bot: x", "GPT: x",
        "Model: x",
    ],
)  # fmt: skip
def test_matches(line):
    assert is_transcript(f"{line}\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "hi",
        "User",
        "User hi",
        "Users: hi",
        "System: be kind",
        "Tool: 4",
        " User: hi",
        "*User*: x",
        "Dear user: x",
    ],
)
def test_does_not_match(line):
    assert not is_transcript(f"{line}\nUser: hi\n")


def test_parse_conversations():
    content = b"""
User: how do I reset my password?
Assistant: Open settings

and press the button.

**User**: thanks

User: another
System: note
<bot> yes
---
---

[user] after the line
"""
    assert read_all(content) == [
        Record(
            Key("in", 2),
            conversation(
                ("user", "how do I reset my password?"),
                ("assistant", "Open settings\n\nand press the button."),
            ),
        ),
        Record(Key("in", 7), conversation(("user", "thanks"))),
        Record(
            Key("in", 9),
            Conversation(
                (Message("user", "another\nSystem: note"), Message("assistant", "yes")), flags=("unknown_speaker",)
            ),
        ),
        Record(Key("in", 15), conversation(("user", "after the line"))),
    ]


def test_a_blank_line_before_an_assistant_ends_nothing():
    assert read_texts(b"User: a\r\n\r\nAssistant: b\r\n") == [(1, None, [("user", "a"), ("assistant", "b")])]


def test_invalid_utf8_is_an_error_of_its_conversation_only():
    assert read_all(b"User: a\nBot: \xff\n\nUser: b") == [
        Malformed(
            Key("in", 1),
            "invalid UTF-8 at byte 6 of line 2: 0xff; if Latin-1: iconv -f LATIN1",
            "record/invalid-encoding",
        ),
        Record(Key("in", 4), conversation(("user", "b"))),
    ]


def test_text_without_a_speaker_is_not_dropped():
    expected = [
        (1, None, [("user", "a")]),
        (3, None, "there is text before the first speaker (such as `User:`)"),
    ]
    assert read_texts(b"User: a\n---\nwho?\nUser: b\n") == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"User: 4567", [(1, None, [("user", "4567")])]),
        (b"User: 456\n\nUser: b", [(1, None, [("user", "456")]), (3, None, [("user", "b")])]),
        (b"User: 45678", [(1, None, "too long")]),
        (
            b"User: 4\n" + b"x\n" * 9 + b"\nBot: c\n\nUser: b\n",
            [(1, None, "too long"), (14, None, [("user", "b")])],
        ),
        (b"User: " + b"x" * 99 + b"\n---\nUser: b\n", [(1, None, "too long"), (3, None, [("user", "b")])]),
    ],
)
def test_the_limit_is_on_the_conversation(content, expected):
    reason = "the conversation is longer than 10 bytes; ReadOptions.max_record_bytes sets the limit"
    expected = [(line, part, reason if heard == "too long" else heard) for line, part, heard in expected]
    assert read_texts(content, max_record_bytes=10) == expected


def test_forced():
    assert read_texts(b"---\nSystem: x\nUser: y", format="transcript") == [(2, None, [("system", "x"), ("user", "y")])]


TURNS = b"User: hi\nAssistant: hello\n"


def test_transcripts_are_not_detected_in_a_pipe():
    report = ReadReport()
    texts = [row.conversation.messages[0].content for row in read(Pipe(TURNS), "-", report)]
    assert texts == ["User: hi", "Assistant: hello"]
    assert len(list(read(io.BytesIO(TURNS), "f", report))) == 1
    assert report.notes == [
        (
            "-",
            "the first line looks like a turn of a transcript, but each line from a pipe is read as one message; "
            'use ReadOptions(format="transcript") to read it as a transcript',
        ),
        ("f", 'read as a transcript because of its first line; use ReadOptions(format="lines") to read it as text'),
    ]
    assert list(report.formats) == [("-", "lines"), ("f", "transcript")]


def test_one_line_that_looks_like_a_turn_does_not_swallow_the_prompts_after_it():
    content = b"User: what does this word mean?\nhow do I build it\nand what is this\n"
    assert [said for _, _, said in read_texts(content)] == [[("user", line)] for line in content.decode().splitlines()]


@pytest.mark.parametrize("line", ["Support: yes", "**Support**: yes", "<support> yes", "[Ann Lee] yes", "Dr. No: yes"])
def test_an_unknown_speaker_is_flagged(line):
    (record,) = read_all(f"User: hi\n{line}\nUser: thanks\n".encode())
    assert record.conversation.flags == ("unknown_speaker",)
    assert line in record.conversation.messages[0].content


@pytest.mark.parametrize("line", ["see https://x.example", "at 10:30 then", "yes", "- a: b", "so it is, I think: yes"])
def test_other_lines_are_text(line):
    (record,) = read_all(f"User: hi\n{line}\nBot: yes\n".encode())
    assert record.conversation.flags == ()


def test_system_turns_are_read_only_if_the_format_is_given():
    content = b"User: a\n---\nSystem: how do I build it\nUser: b\n"
    assert [row for row in read_all(content) if isinstance(row, Malformed)]
    assert read_texts(content, format="transcript")[1] == (3, None, [("system", "how do I build it"), ("user", "b")])
