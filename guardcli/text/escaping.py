"""Escape hostile text for a terminal, a line, a field or JSON; and put a number before its noun.

`escape_terminal`, `escape_lines`, `escape_line` and `escape_field` are for text in which every character must be
visible. `escape_controls` and `escape_controls_json` are for data: they change only what can do harm.

    text            escape_terminal     escape_lines    escape_line     escape_field        escape_controls
    a b             a b                 a b             a b             a\\x20b              a b
    a\\b             a\\\\b                a\\b             a\\b             a\\\\b                a\\b
    a<newline>b     a\\nb                a<newline>b     a\\nb            a\\nb                a<newline>b
    a<zero width>b  a\\u200bb            a\\u200bb        a\\u200bb        a\\u200bb            a<zero width>b
    a<escape>b      a\\x1bb              a\\x1bb          a\\x1bb          a\\x1bb              a\\x1bb
"""

from __future__ import annotations

import re

# Characters that control a terminal, end a line or reorder it: controls but tab and line feed, marks of direction, the
# separators of lines and paragraphs, surrogates and noncharacters.
_HARMFUL = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
)
_HARM = re.compile(f"[{_HARMFUL}]")
_HARM_BUT_COLOR = re.compile(rf"(\x1b\[[0-9;]*m)|[{_HARMFUL}]")


def escape_terminal(text: str) -> str:
    """Return text on one line, with backslashes and all that is not printable escaped as in Python."""
    escaped = text.replace("\\", "\\\\")
    if escaped.isprintable():
        return escaped
    return "".join(c if c.isprintable() else _escape(c) for c in escaped)


def escape_controls(text: str, *, color: bool = False) -> str:
    """Escape only the characters that control a terminal, end a line (but for a newline) or reorder it.

    With `color` the sequences that set colors stay: guard writes them itself.
    """
    if color:
        return _HARM_BUT_COLOR.sub(lambda match: match[1] or _escape(match[0]), text)
    return _HARM.sub(lambda match: _escape(match[0]), text)


def escape_controls_json(text: str) -> str:
    """Escape the same characters in JSON as `\\uXXXX`; it parses to the same value."""
    return _HARM.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def escape_lines(text: str) -> str:
    """Escape all that is not printable but newlines. Backslashes stay, so escaping twice changes nothing."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def escape_line(text: str) -> str:
    """Escape as `escape_lines` does, and newlines too."""
    return escape_lines(text).replace("\n", "\\n")


def escape_field(text: str) -> str:
    """Escape as `escape_terminal` does, and spaces too: the text is one field of a line."""
    return escape_terminal(text).replace(" ", "\\x20")


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> pluralize(1, "row"), pluralize(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
