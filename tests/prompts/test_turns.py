from __future__ import annotations

import pytest

from guardcli.conversation import Conversation, Message
from guardcli.prompts.turns import (
    SPEAKERS,
    NothingToJudge,
    Target,
    Turn,
    judged,
    leaves_out_speakers,
    turns,
    why_unjudged,
)

CHAT = Conversation(
    (
        Message("system", "Be kind."),
        Message("user", " hi "),
        Message("assistant", "", ("tool_call",)),
        Message("tool", "42"),
        Message("assistant", "It is 42."),
        Message("user", "", ("image",)),
    )
)


def test_turns_leave_out_and_count() -> None:
    found = turns(CHAT)
    assert found.all == (
        Turn(2, "user", "User", "hi"),
        Turn(3, "assistant", "Agent", "", ("tool_call",)),
        Turn(5, "assistant", "Agent", "It is 42."),
        Turn(6, "user", "User", "", ("image",)),
    )
    assert found.skipped == {"image": 1, "system": 1, "tool": 1, "tool_call": 1}
    assert found.alternating  # of those with text: user, assistant


def test_turns_as_user() -> None:
    found = turns(CHAT, as_user={"system", "tool"})
    assert [(turn.role, turn.speaker) for turn in found.all[:4]] == [
        ("system", "User"),
        ("user", "User"),
        ("assistant", "Agent"),
        ("tool", "User"),
    ]
    assert found.skipped == {"image": 1, "tool_call": 1}


def test_an_empty_message_is_counted() -> None:
    assert turns(Conversation((Message("user", " \n"), Message("user", "a")))).skipped == {"empty": 1}


@pytest.mark.parametrize(
    ("target", "numbers"),
    [("any", [2, 5]), ("assistant", [5]), ("each", [2, 3, 5, 6])],
)
def test_judged(target: Target, numbers: list[int]) -> None:
    assert [turn.number for turn in judged(turns(CHAT), target, SPEAKERS)] == numbers


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("last", "nothing to judge: message 6 (user) has no text (only image)"),
        ("user", "nothing to judge: message 6 (user) has no text (only image)"),
    ],
)
def test_a_target_without_text_is_not_replaced_by_another(target: Target, message: str) -> None:
    with pytest.raises(NothingToJudge) as caught:
        judged(turns(CHAT), target, SPEAKERS)
    assert str(caught.value) == message


@pytest.mark.parametrize("target", ["any", "last", "user", "each"])
def test_nothing_to_judge(target: Target) -> None:
    with pytest.raises(
        NothingToJudge, match=r"left out: 1 system; JudgeConfig\.as_user judges system, developer and tool text"
    ):
        judged(turns(Conversation((Message("system", "Be kind."),))), target, SPEAKERS)


@pytest.mark.parametrize("target", ["any", "each"])
def test_no_messages(target: Target) -> None:
    with pytest.raises(NothingToJudge, match=r"^nothing to judge: no user or assistant message with text$"):
        judged(turns(Conversation(())), target, SPEAKERS)


def test_prompts_show_the_turns_with_text() -> None:
    assert [turn.number for turn in turns(CHAT).shown] == [2, 5]


@pytest.mark.parametrize(
    ("roles", "alternating"),
    [
        ("ua", True),
        ("uau", True),
        ("", True),
        ("a", False),
        ("uu", False),
        ("sua", True),
        ("ssua", True),
        ("usa", False),
        ("uaa", False),
    ],
)
def test_alternating(roles: str, alternating: bool) -> None:
    names = {"u": "user", "a": "assistant", "s": "system"}
    conversation = Conversation(tuple(Message(names[role], "x") for role in roles))  # type: ignore[arg-type]
    assert turns(conversation).alternating is alternating


TALK = turns(
    Conversation(
        (
            Message("user", "hi"),
            Message("assistant", "hello"),
            Message("assistant", "", ("tool_call",)),
            Message("user", "bye"),
        )
    )
)


@pytest.mark.parametrize(("target", "numbers"), [("any", [2]), ("each", [1, 2, 3, 4])])
def test_speakers_that_a_model_does_not_judge_are_context(target: Target, numbers: list[int]) -> None:
    assert [turn.number for turn in judged(TALK, target, ["Agent"])] == numbers
    assert leaves_out_speakers(TALK, target, ["Agent"]) is (target == "any")
    assert not leaves_out_speakers(TALK, target, SPEAKERS)


@pytest.mark.parametrize("target", ["last", "user"])
def test_a_target_of_a_speaker_that_is_not_judged_is_not_replaced_by_another(target: Target) -> None:
    with pytest.raises(NothingToJudge) as caught:
        judged(TALK, target, ["Agent"])
    assert (caught.value.code, str(caught.value)) == (
        "record/speaker-not-judged",
        "message 4 (user) is not judged: this model judges only messages of the assistant; "
        'JudgeConfig(target="assistant") chooses the last of them',
    )


def test_any_message_without_one_of_a_speaker_that_is_judged() -> None:
    with pytest.raises(NothingToJudge, match=r"^message 2 \(user\) is not judged") as caught:
        judged(turns(Conversation((Message("user", "a"), Message("user", "b")))), "any", ["Agent"])
    assert caught.value.code == "record/speaker-not-judged"


def test_each_turn_that_cannot_be_judged_has_its_reason() -> None:
    reasons = [why_unjudged(turn, ["Agent"]) for turn in TALK.all]
    assert [reason and reason.code for reason in reasons] == [
        "record/speaker-not-judged",
        None,
        "record/nothing-to-judge",
        "record/speaker-not-judged",
    ]
