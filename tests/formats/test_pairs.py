import pytest

from guardcli.formats import RecordError, pairs
from guardcli.formats.claims import Claims
from tests.formats.in_memory import conversation


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
def test_does_not_match(value):
    assert not pairs.matches(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hi", conversation(("user", "hi"))),
        ("", conversation(("user", ""))),
        ({"prompt": "hi", "response": "hello"}, conversation(("user", "hi"), ("assistant", "hello"))),
        ({"question": "q", "answer": "a"}, conversation(("user", "q"), ("assistant", "a"))),
        ({"query": "q", "generation": "a"}, conversation(("user", "q"), ("assistant", "a"))),
        ({"prompt": None, "text": "t", "completion": "c"}, conversation(("user", "t"), ("assistant", "c"))),
        ({"prompt": "hi", "response": None}, conversation(("user", "hi"))),
        ({"prompt": "hi", "label": 1}, conversation(("user", "hi"))),
        ({"response": "hello"}, conversation(("assistant", "hello"))),
        ({"system": "be kind", "prompt": "hi"}, conversation(("system", "be kind"), ("user", "hi"))),
        ({"input": "i", "output": "o"}, conversation(("user", "i"), ("assistant", "o"))),
        ({"instruction": "i", "input": "", "output": "o"}, conversation(("user", "i"), ("assistant", "o"))),
        ({"instruction": "i", "input": "x", "output": "o"}, conversation(("user", "i\n\nx"), ("assistant", "o"))),
        ({"conversation": "c1", "prompt": "hi"}, conversation(("user", "hi"))),
    ],
)
def test_one_conversation(value, expected):
    assert pairs.matches(value)
    assert pairs.parse(value, Claims()) == [(None, expected)]


def test_each_input_of_a_moderation_request_is_a_part():
    expected = [("input.0", conversation(("user", "a"))), ("input.1", conversation(("user", "b")))]
    assert pairs.parse({"model": "m", "input": ["a", "b"]}, Claims()) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"prompt": 1}, "prompt is a number; it must be text"),
        ({"prompt": ["a"], "text": "t"}, "prompt is a list; it must be text"),
        ({"prompt": "a", "response": {}}, "response is an object; it must be text"),
        ({"prompt": None, "response": None}, "empty conversation: neither a prompt nor a response"),
        ({"input": []}, "empty conversation: input is an empty list"),
        ({"input": ["a", {"type": "image_url"}]}, "input item 2 is an object; it must be text"),
        ({"input": ["a"], "output": "b"}, "input is a list, so output answers none of its items"),
        ({"instruction": "a", "input": 1}, "input is a number; it must be text"),
    ],
)
def test_record_errors(value, reason):
    with pytest.raises(RecordError) as error:
        pairs.parse(value, Claims())
    assert error.value.reason == reason
