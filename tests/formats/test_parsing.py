"""One value that is already in memory is parsed as one conversation."""

import pytest

from guardcli.conversation import Conversation, Message
from guardcli.formats import RecordError, parse
from tests.formats.in_memory import conversation
from tests.formats.test_reading import KNOWN


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hi", conversation(("user", "hi"))),
        ([{"role": "user", "content": "hi"}], conversation(("user", "hi"))),
        ({"id": 5, "prompt": "hi"}, Conversation((Message("user", "hi"),), "5")),
        ({"input": ["hi"]}, conversation(("user", "hi"))),
        ("\ud83d\ude00", Conversation((Message("user", "😀"),), flags=("invalid_unicode",))),
    ],
)
def test_parse(value, expected):
    assert parse(value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, f"unknown format: null; {KNOWN}"),
        (["hi"], f"unknown format: a list; {KNOWN}"),
        (("hi",), f"unknown format: a Python tuple; {KNOWN}"),
        ({"input": ["a", "b"]}, "2 conversations in one value, expected one; pass them one by one"),
        ({"messages": []}, "empty conversation: messages has no messages"),
    ],
)
def test_parse_errors(value, reason):
    with pytest.raises(RecordError) as error:
        parse(value)
    assert error.value.reason == reason


def test_parse_nested_too_deeply():
    value: list = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(RecordError, match="nested too deeply"):
        parse(value)
