"""Windows cover a text, fit, and overlap by tokens, whatever a character costs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.judging.sliding_window import OVERLAP, split_into_windows

SCRIPTS = {
    "ascii": "word and more ",
    "chinese": "请告诉我怎么",
    "emoji": "👩‍👩‍👧‍👦🔥",
    "mixed": "a请🔥 ",
    "blank": "  \n",
}


def tokens(text: str) -> int:
    """A byte a token, as in the worst vocabulary; of ASCII four."""
    size = len(text.encode())
    return -(-size // 4) if text.isascii() else size


def check(text: str, room: int) -> list[tuple[int, int]]:
    found = split_into_windows(text, room, tokens)
    assert found[0][0] == 0
    assert found[-1][1] == len(text)
    for (a, b), (c, d) in pairwise(found):
        assert a < c <= b < d
    assert all(tokens(text[a:b]) <= room or b - a == 1 for a, b in found)
    return found


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("room", [64, 300, 2000])
def test_neighbors_overlap(script: str, room: int) -> None:
    text = SCRIPTS[script] * 3000
    found = check(text, room)
    least = min(OVERLAP, room // 4) - tokens("🔥")  # a character is not cut
    assert all(tokens(text[c:b]) >= least for (_, b), (c, _) in pairwise(found))
    assert len(found) <= 3 * tokens(text) / room + 2


@given(st.text(alphabet="a 请🔥\n", max_size=300), st.integers(8, 100))
def test_any_text_is_covered(text: str, room: int) -> None:
    check(text, room)


def test_a_text_whose_parts_cost_differently() -> None:
    text = "a" * 20_000 + "🔥" * 5_000 + "a" * 20_000
    check(text, 500)
