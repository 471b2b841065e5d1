from __future__ import annotations

import pytest

from guardcli.text.lists import join_words


@pytest.mark.parametrize(
    ("words", "conjunction", "expected"),
    [
        ([], "and", ""),
        (["a"], "and", "a"),
        (["a", "b"], "and", "a and b"),
        (["a", "b", "c"], "or", "a, b or c"),
        (["a", "b", "c"], "", "a, b, c"),
        (["a", "b", "c", "d"], "or", "a, b, c, and 1 more"),
    ],
)
def test_words_are_joined(words, conjunction, expected):
    assert join_words(words, limit=3, conjunction=conjunction) == expected


def test_only_shown_words_are_quoted():
    quoted: list[str] = []

    def quote(word: str) -> str:
        quoted.append(word)
        return f"`{word}`"

    assert join_words(map(str, range(2000)), limit=2, quote=quote) == "`0`, `1`, and 1,998 more"
    assert quoted == ["0", "1"]
