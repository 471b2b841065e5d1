import pytest

from guardcli.formats import RecordError, hh
from guardcli.formats.claims import Claims
from tests.formats.in_memory import conversation

HI = "\n\nHuman: hi\n\nAssistant: hello"
HI_SAID = conversation(("user", "hi"), ("assistant", "hello"))


@pytest.mark.parametrize("value", [{"chosen": HI}, {"rejected": 1}, {"transcript": "", "prompt": "x"}])
def test_matches(value):
    assert hh.matches(value)


@pytest.mark.parametrize("value", [None, [], "x", {}, {"transcript": None}, {"prompt": "x"}])
def test_does_not_match(value):
    assert not hh.matches(value)


@pytest.mark.parametrize(
    ("transcript", "expected"),
    [
        (HI, HI_SAID),
        ("Human: hi\r\n\r\nAssistant: hello", HI_SAID),
        (" \n Human:hi\n\n\n\nAssistant:hello\n", HI_SAID),
        ("\n\nHuman: 1\n\nAssistant: not\nHuman: 2", conversation(("user", "1"), ("assistant", "not\nHuman: 2"))),
        ("\n\nHuman: 1\n\nHuman: 2\n\n3", conversation(("user", "1"), ("user", "2\n\n3"))),
        ("\n\nAssistant:", conversation(("assistant", ""))),
    ],
)
def test_transcript(transcript, expected):
    assert hh.parse({"transcript": transcript}, Claims()) == [(None, expected)]


def test_two_parts():
    value = {"chosen": HI, "rejected": HI + " there"}
    there = conversation(("user", "hi"), ("assistant", "hello there"))
    assert hh.parse(value, Claims()) == [("chosen", HI_SAID), ("rejected", there)]


def test_parts_as_lists_of_messages():
    value = {"prompt": "hi", "chosen": [{"role": "user", "content": "hi"}], "rejected": None}
    assert hh.parse(value, Claims()) == [("chosen", conversation(("user", "hi")))]


def test_a_part_next_to_a_transcript_is_not_dropped():
    assert hh.parse({"transcript": HI, "chosen": HI}, Claims()) == [
        ("chosen", HI_SAID),
        ("transcript", HI_SAID),
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"chosen": "no"}, "chosen: there is text before the first `Human:` or `Assistant:`"),
        ({"chosen": "x" + HI}, "chosen: there is text before the first `Human:` or `Assistant:`"),
        (
            {"chosen": HI, "rejected": 1},
            "rejected is a number; it must be a transcript or a list of messages",
        ),
        ({"transcript": "\n"}, "empty conversation: transcript is blank"),
        ({"chosen": []}, "chosen: empty conversation: the list has no messages"),
        ({"chosen": [{"role": "x", "content": ""}]}, "chosen: message 1: unknown role 'x'; known are "),
    ],
)
def test_record_errors(value, reason):
    with pytest.raises(RecordError) as error:
        hh.parse(value, Claims())
    assert error.value.reason.startswith(reason)


def test_answers_to_a_prompt():
    value = {"prompt": "hi", "chosen": "hello", "rejected": [{"role": "assistant", "content": "no"}]}
    assert hh.parse(value, Claims()) == [
        ("chosen", conversation(("user", "hi"), ("assistant", "hello"))),
        ("rejected", conversation(("user", "hi"), ("assistant", "no"))),
    ]


def test_a_prompt_as_a_list_of_messages():
    prompt = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]
    value = {"prompt": prompt, "chosen": [{"role": "assistant", "content": "hello"}]}
    assert hh.parse(value, Claims()) == [
        ("chosen", conversation(("system", "be kind"), ("user", "hi"), ("assistant", "hello")))
    ]
