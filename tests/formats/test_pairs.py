import pytest

from guardcli.formats import RecordError, pairs
from guardcli.formats.claims import Claims

from .rows import said


@pytest.mark.parametrize("value", ["hi", {"prompt": None}, {"response": "x"}, {"text": 1}, {"input": []}])
def test_matches(value):
    assert pairs.matches(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        ["hi"],
        {},
        {"data": "x"},
        {"messages": None, "prompt": "x"},
        {"conversations": [], "prompt": "x"},
        {"conversation": [], "text": "x"},
        {"chosen": "x", "rejected": "y", "prompt": "z"},
    ],
)
def test_matches_noop(value):
    assert not pairs.matches(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hi", said(("user", "hi"))),
        ("", said(("user", ""))),
        ({"prompt": "hi", "response": "hello"}, said(("user", "hi"), ("assistant", "hello"))),
        ({"question": "q", "answer": "a"}, said(("user", "q"), ("assistant", "a"))),
        ({"query": "q", "generation": "a"}, said(("user", "q"), ("assistant", "a"))),
        ({"prompt": None, "text": "t", "completion": "c"}, said(("user", "t"), ("assistant", "c"))),
        ({"prompt": "hi", "response": None}, said(("user", "hi"))),
        ({"prompt": "hi", "label": 1}, said(("user", "hi"))),
        ({"response": "hello"}, said(("assistant", "hello"))),
        ({"system": "be kind", "prompt": "hi"}, said(("system", "be kind"), ("user", "hi"))),
        ({"input": "i", "output": "o"}, said(("user", "i"), ("assistant", "o"))),
        ({"instruction": "i", "input": "", "output": "o"}, said(("user", "i"), ("assistant", "o"))),
        ({"instruction": "i", "input": "x", "output": "o"}, said(("user", "i\n\nx"), ("assistant", "o"))),
        ({"conversation": "c1", "prompt": "hi"}, said(("user", "hi"))),
    ],
)
def test_one_conversation(value, expected):
    assert pairs.matches(value)
    assert pairs.parse(value, Claims()) == [(None, expected)]


def test_each_input_of_a_moderation_request_is_a_part():
    expected = [("input.0", said(("user", "a"))), ("input.1", said(("user", "b")))]
    assert pairs.parse({"model": "m", "input": ["a", "b"]}, Claims()) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"prompt": 1}, "prompt is a number; it must be text"),
        ({"prompt": ["a"], "text": "t"}, "prompt is a list; it must be text"),
        ({"prompt": "a", "response": {}}, "response is an object; it must be text"),
        ({"prompt": None, "response": None}, "empty conversation: neither a prompt nor a response"),
        ({"input": []}, "empty conversation: input is a list without items"),
        ({"input": ["a", {"type": "image_url"}]}, "input item 2 is an object; it must be text"),
        ({"input": ["a"], "output": "b"}, "input is a list, so output belongs to none of its items"),
        ({"instruction": "a", "input": 1}, "input is a number; it must be text"),
    ],
)
def test_unreadable(value, reason):
    with pytest.raises(RecordError) as error:
        pairs.parse(value, Claims())
    assert error.value.reason == reason
