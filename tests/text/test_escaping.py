from __future__ import annotations

import json

import pytest

from guardcli.text.escaping import (
    escape_controls,
    escape_controls_json,
    escape_field,
    escape_line,
    escape_lines,
    escape_terminal,
    pluralize,
)


@pytest.mark.parametrize(
    ("text", "terminal", "lines", "line", "field", "controls"),
    [
        ("a b", "a b", "a b", "a b", "a\\x20b", "a b"),
        ("a\\b", "a\\\\b", "a\\b", "a\\b", "a\\\\b", "a\\b"),
        ("a\nb", "a\\nb", "a\nb", "a\\nb", "a\\nb", "a\nb"),
        ("a\tb", "a\\tb", "a\\tb", "a\\tb", "a\\tb", "a\tb"),
        ("a\u200bb", "a\\u200bb", "a\\u200bb", "a\\u200bb", "a\\u200bb", "a\u200bb"),
        ("a\x1bb", "a\\x1bb", "a\\x1bb", "a\\x1bb", "a\\x1bb", "a\\x1bb"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f", "\\x9b2J\\x7f", "\\x9b2J\\x7f", "\\x9b2J\\x7f", "\\x9b2J\\x7f"),
        ("\u202etxt", "\\u202etxt", "\\u202etxt", "\\u202etxt", "\\u202etxt", "\\u202etxt"),
        ("\ud800", "\\ud800", "\\ud800", "\\ud800", "\\ud800", "\\ud800"),
        ("naïve 日本 🔥", "naïve 日本 🔥", "naïve 日本 🔥", "naïve 日本 🔥", "naïve\\x20日本\\x20🔥", "naïve 日本 🔥"),
    ],
)
def test_each_function_escapes_what_its_place_cannot_show(
    text: str, terminal: str, lines: str, line: str, field: str, controls: str
) -> None:
    functions = (escape_terminal, escape_lines, escape_line, escape_field, escape_controls)
    assert tuple(function(text) for function in functions) == (terminal, lines, line, field, controls)


def test_guards_own_colors_stay_where_color_is_on() -> None:
    text = "\x1b[31munsafe\x1b[0m \x1b[2J"
    assert escape_controls(text, color=True) == "\x1b[31munsafe\x1b[0m \\x1b[2J"
    assert escape_controls(text) == "\\x1b[31munsafe\\x1b[0m \\x1b[2J"


def test_escaped_json_has_the_same_value() -> None:
    value = {"text": "\u202e\x7f\u2028 日本"}
    escaped = escape_controls_json(json.dumps(value, ensure_ascii=False))
    assert escaped == '{"text": "\\u202e\\u007f\\u2028 日本"}'
    assert json.loads(escaped) == value


@pytest.mark.parametrize(("number", "words"), [(0, "0 rows"), (1, "1 row"), (2000, "2,000 rows")])
def test_pluralize(number: int, words: str) -> None:
    assert pluralize(number, "row") == words
