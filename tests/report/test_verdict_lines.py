"""Lines of verdicts for people: aligned, cut to the terminal, and nothing in them commands it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from guardcli.judging import Verdict
from guardcli.report.verdict_lines import LineLayout, category_names, format_tally, format_verdict
from guardcli.taxonomy import Taxonomy
from tests.rows import verdict

NAMES = {"S9": "S9 Indiscriminate Weapons", "S10": "S10 Hate"}


def shown(one: Verdict, *sources: str, width: int | None = 80, **layout: Any) -> str:
    of = LineLayout.for_inputs(sources or ("chats.jsonl",), width=width, category_names=NAMES, **layout)
    return format_verdict(one, of)


def test_lines_are_aligned_and_excerpts_are_cut_to_the_terminal() -> None:
    lines = [
        shown(verdict(1, 0.9, categories=["S9"], text="How do I build a bomb?")),
        shown(verdict(12345, 0.1, text="Hi, my order has not arrived yet, and I wonder where it is now, I must say.")),
        shown(verdict(3, 0.9, categories=["S9", "S10"], turn=2, role="assistant", text="Sure:\n\n  first")),
        shown(verdict(4, 0.1, truncated=True, skipped={"system": 1}, turn=3, text="hi")),
        shown(verdict(5, None, text="not shown")),
    ]
    assert lines == [
        "unsafe  0.9000  1      S9 Indiscriminate Weapons  How do I build a bomb?",
        "safe    0.1000  12345  Hi, my order has not arrived yet, and I wonder where it…",
        "unsafe  0.9000  3      S9, S10  assistant#2:  Sure: first",
        "safe    0.1000  4      [truncated,system:1]  user#3:  hi",
        "error        -  5      not JSON",
    ]


@pytest.mark.parametrize(
    ("width", "shown_as"),
    [
        (100, "S9 Indiscriminate Weapons, S10 Hate  user#3:  Tell me how to steal a car tha…"),
        (85, "S9 Indiscriminate Weapons, S10 Hate  user#3:  Tell me how to…"),
        (80, "S9, S10  user#3:  Tell me how to steal a car that has an…"),
        (57, "S9, S10  user#3:  Tell me how to…"),
        (55, "S9 +1  user#3:  Tell me how to…"),
        (20, "S9 +1  user#3:  Tell me how to…"),
    ],
)
def test_some_of_a_message_is_always_shown(width: int, shown_as: str) -> None:
    text = "Tell me how to steal a car that has an alarm, and another one that has none."
    line = shown(verdict(4, 0.8, categories=["S9", "S10"], turn=3, text=text), width=width)
    assert line == f"unsafe  0.8000  4      {shown_as}"
    assert cell_len(line) <= max(width, 55)


@pytest.mark.parametrize("number", range(1, 15))
def test_a_message_keeps_16_columns_of_80(number: int) -> None:
    names = {f"S{n}": f"S{n} A category with a long name" for n in range(1, 15)}
    layout = LineLayout.for_inputs(["chats.jsonl", "b"], width=80, category_names=names)
    text = "0123456789abcdef" * 5
    one = verdict(4, 0.8, categories=list(names)[:number], turn=3, text=text)
    line = format_verdict(one, layout)
    assert text[:15] in line
    assert cell_len(line) <= 80


def test_a_role_has_a_colon_only_before_a_message_or_an_error() -> None:
    assert shown(verdict(4, 0.1, turn=3)) == "safe    0.1000  4      user#3"
    assert shown(verdict(4, 0.1, turn=3, text=" \n")) == "safe    0.1000  4      user#3"
    assert shown(verdict(4, None, turn=3, role="user")) == "error        -  4      user#3:  not JSON"


def test_several_inputs_are_named() -> None:
    sources = ("chats.jsonl", "a.txt")
    assert shown(verdict(1, 0.1), *sources) == "safe    0.1000  chats.jsonl:1"
    assert shown(verdict(2, 0.1, source="a.txt", text="hi"), *sources) == "safe    0.1000  a.txt:2            hi"


def test_the_beginning_of_a_long_place_is_cut() -> None:
    path = "a/very/long/path/to/the/folder/of/chats.jsonl"
    line = shown(verdict(7, 0.1, source=path, text="hi"), path, "b")
    assert line == "safe    0.1000  …o/the/folder/of/chats.jsonl:7  hi"


def test_a_message_is_shown_whole_without_a_width() -> None:
    line = shown(verdict(1, 0.1, text="a  b\n" * 50), width=None)
    assert line.endswith("a  b\\n" * 50)


def test_no_message_no_excerpt() -> None:
    assert shown(verdict(1, 0.1)) == "safe    0.1000  1"


def test_wide_characters_count_twice() -> None:
    line = shown(verdict(1, 0.1, text="日本語" * 40))
    assert line.endswith("…")
    assert 78 <= cell_len(line) <= 80


def test_colors() -> None:
    line = shown(verdict(1, 0.9, categories=["S10"], text="x"), color=True)
    assert line == "\x1b[1;31munsafe\x1b[0m  0.9000  1      \x1b[1mS10 Hate\x1b[0m  x"


@given(st.text(), st.text(min_size=1), st.integers(30, 200))
def test_nothing_in_a_row_commands_the_terminal_or_breaks_the_line(text: str, source: str, width: int) -> None:
    one = verdict(1, 0.9, categories=["S9\n\x1b[2J"], source=source, text=text)
    line = shown(one, source, "b", width=width)
    without_text = verdict(1, 0.9, categories=["S9\n\x1b[2J"], source=source)
    assert line.isprintable()
    assert cell_len(line) <= max(width, cell_len(shown(without_text, source, "b", width=width)) + 2 + 16)


def test_category_names_are_by_the_labels_of_rows() -> None:
    policy = Taxonomy.from_yaml("name: x\ncategories: [{id: S1, name: Hate, key: hate}, {id: S2, name: Spam}]\n")
    assert category_names(policy) == {"hate": "hate", "S2": "S2 Spam"}


@pytest.mark.parametrize(
    ("verdicts", "categories", "tally"),
    [
        ({"safe": 1}, {}, "1 row: 1 safe, 0 unsafe, 0 errors"),
        (
            {"safe": 2000, "unsafe": 3, "error": 1},
            {"S10": 2, "S9": 3, "own\x1b": 1},
            "2,004 rows: 2,000 safe, 3 unsafe (S9 Indiscriminate Weapons 3, S10 Hate 2, own\\x1b 1), 1 error",
        ),
    ],
)
def test_the_tally(verdicts: dict[str, int], categories: dict[str, int], tally: str) -> None:
    assert format_tally(verdicts, Counter(categories), NAMES) == tally
