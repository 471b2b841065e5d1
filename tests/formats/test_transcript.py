import pytest

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.formats import transcript

from .rows import rows, said, told


@pytest.mark.parametrize(
    "line",
    [
        "User: hi", "USER:hi", "human:", "Customer: x", "Prompter: x", "**User**: hi", "**User:** hi",
        "<user> hi", "<user>: hi", "[user] hi", "[Assistant]: hi", "AI: x", "Agent: x", "bot: x", "GPT: x",
        "Model: x",
    ],
)  # fmt: skip
def test_matches(line):
    assert transcript.matches(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
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
def test_matches_noop(line):
    assert not transcript.matches(line)


def test_conversations():
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
    assert rows(content) == [
        Record(
            Key("in", 2),
            said(
                ("user", "how do I reset my password?"),
                ("assistant", "Open settings\n\nand press the button."),
            ),
        ),
        Record(Key("in", 7), said(("user", "thanks"))),
        Record(
            Key("in", 9),
            Conversation(
                (Message("user", "another\nSystem: note"), Message("assistant", "yes")), flags=("unknown_speaker",)
            ),
        ),
        Record(Key("in", 15), said(("user", "after the line"))),
    ]


def test_a_blank_line_before_an_assistant_ends_nothing():
    assert told(b"User: a\r\n\r\nAssistant: b\r\n") == [(1, None, [("user", "a"), ("assistant", "b")])]


def test_invalid_utf8_spoils_its_conversation_only():
    assert rows(b"User: a\nBot: \xff\n\nUser: b") == [
        Malformed(Key("in", 1), "invalid UTF-8 at byte 6 of line 2: 0xff; if Latin-1: iconv -f LATIN1"),
        Record(Key("in", 4), said(("user", "b"))),
    ]


def test_text_without_a_speaker_is_not_dropped():
    expected = [
        (1, None, [("user", "a")]),
        (3, None, "text before the first speaker (such as `User:`): 'who?'"),
    ]
    assert told(b"User: a\n---\nwho?\nUser: b\n") == expected


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
    reason = "the conversation is longer than 10 bytes; --max-record-bytes sets the limit"
    expected = [(line, part, reason if heard == "too long" else heard) for line, part, heard in expected]
    assert told(content, max_record_bytes=10) == expected


def test_forced():
    assert told(b"---\nSystem: x\nUser: y", format="transcript") == [(2, None, [("system", "x"), ("user", "y")])]
