"""Text that nobody would judge makes a record unreadable."""

from __future__ import annotations

import shlex

import pytest

from guardcli import formats

USER = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"messages": USER, "response": "evil"}, "response"),
        ({"prompt": "evil", "messages": USER}, "prompt"),
        ({"prompt": "Summarise", "input": "evil"}, "input"),
        ({"prompt": "p", "response": "ok", "output": "evil"}, "output"),
        ({"conversations": [{"from": "human", "value": "hi"}], "answer": "evil"}, "answer"),
        ({"prompt": [{"role": "user", "content": "evil"}], "messages": USER}, "prompt[].content"),
        ({"prompt": "p", "text": "evil"}, "text"),
    ],
)
def test_text_in_no_message(value: dict[str, object], field: str) -> None:
    with pytest.raises(formats.Unreadable) as caught:
        formats.parse(value)  # type: ignore[arg-type]
    option = shlex.quote(field)
    assert str(caught.value) == (
        f"`{field}` has text that is in no message and would not be judged: --text-field {option} judges it, "
        f"--ignore {option} leaves it out"
    )


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "hi", "messages": USER},
        {"messages": USER, "text": "<|user|>hi", "response": None, "output": " "},
        {"instruction": "Do", "input": "this"},
        {"prompt": "a", "question": "a"},
        {"prompt": "a", "input": 5},
        {"transcript": "\n\nHuman: hi", "text": "Human: hi"},
    ],
)
def test_text_that_is_judged_or_is_none_noop(value: dict[str, object]) -> None:
    formats.parse(value)  # type: ignore[arg-type]


def test_a_refusal_beside_a_content_is_judged_too() -> None:
    message = {"role": "assistant", "content": "a", "refusal": "b"}
    assert formats.parse({"messages": [message]}).messages[0].content == "a\nb"
