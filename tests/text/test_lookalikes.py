"""Letters that pose as Latin ones."""

from __future__ import annotations

import pytest

from guardcli.text.lookalikes import find_lookalike, skeleton


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("v\u0456olence", "\u0456"),
        ("some \u0405afety here", "\u0405"),
        ("vi\u03bflence", "\u03bf"),
        ("h\u0430te and v\u0456olence", "\u0430"),
        ("un\u057dafe", "\u057d"),
    ],
)
def test_found(text: str, letter: str) -> None:
    assert find_lookalike(text) == letter


@pytest.mark.parametrize(
    "text",
    [
        "violence",
        "\u043d\u0430\u0441\u0438\u043b\u0438\u0435",  # Russian alone
        "SMS\u043a\u0430, IT-\u043e\u0442\u0434\u0435\u043b",  # Russian endings and words beside Latin ones
        "TNF\u03b1, \u03b2-blocker, \u03b1v\u03b23, \u0394T, 5 \u03bcm",
        "na\u00efve caf\u00e9 \u0131\u015f\u0131k",  # French, and Turkish without dots
        "\u4ec7\u6068AI\u8a00\u8bba",
    ],
)
def test_noop(text: str) -> None:
    assert find_lookalike(text) is None


@pytest.mark.parametrize(("text", "letter"), [("saf\u0435", "\u0435"), ("\u03b1gent", "\u03b1"), ("\u0441o", "\u0441")])
def test_anywhere(text: str, letter: str) -> None:
    assert find_lookalike(text, anywhere=True) == letter


@pytest.mark.parametrize("blank", ["\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\u2065", "\U000e0fff", "\ufe0f"])
def test_a_skeleton_has_nothing_that_is_not_shown(blank: str) -> None:
    assert skeleton(f"Us{blank}er:") == "user:"
