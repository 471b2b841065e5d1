import pytest

from guardcli.formats import RecordError, sharegpt
from guardcli.formats.claims import Claims
from tests.formats.in_memory import conversation


@pytest.mark.parametrize("value", [{"conversations": None}, {"conversation": []}])
def test_matches(value):
    assert sharegpt.matches(value)


@pytest.mark.parametrize("value", [[], "x", {}, {"conversation": "c1"}, {"conversation_id": "c1"}])
def test_does_not_match(value):
    assert not sharegpt.matches(value)


@pytest.mark.parametrize("name", ["conversations", "conversation"])
@pytest.mark.parametrize(
    ("who", "what"), [("from", "value"), ("role", "value"), ("role", "content"), ("from", "content")]
)
def test_variants(name, who, what):
    value = {name: [{who: "prompter", what: "hi"}, {who: "gpt", what: "hello", "toxic": False}]}
    assert sharegpt.parse(value, Claims()) == [(None, conversation(("user", "hi"), ("assistant", "hello")))]


def test_a_system_prompt_outside_the_turns():
    value = {"system": "be kind", "conversations": [{"from": "human", "value": "hi"}], "tools": "[]"}
    assert sharegpt.parse(value, Claims()) == [(None, conversation(("system", "be kind"), ("user", "hi")))]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"conversations": "x"}, "conversations is text; it must be a list of messages"),
        ({"conversations": []}, "empty conversation: conversations has no messages"),
        ({"conversation": ["x"]}, "message 1 is text; it must be an object"),
        ({"conversations": [{"from": "human"}]}, "message 1 has no content"),
        ({"conversations": [{"value": "hi"}]}, "message 1 has no role"),
        (
            {"conversations": [{"from": "human", "value": 1}]},
            "message 1: content is a number; it must be text, null, or a list of parts",
        ),
    ],
)
def test_record_errors(value, reason):
    with pytest.raises(RecordError) as error:
        sharegpt.parse(value, Claims())
    assert error.value.reason == reason
