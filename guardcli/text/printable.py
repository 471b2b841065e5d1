"""What is said to people: hostile text made harmless for a terminal, and numbers with their nouns. It knows no rows.

`printable`, `lines`, `line` and `field` are for text of which every character is to be seen; `visible` and
`visible_json` for data that are to keep all that does no harm.
"""

from __future__ import annotations

import re

# What commands a terminal, ends a line or reorders it: controls but tab and line feed, marks of direction, the
# separators of lines and paragraphs, surrogates, and what is no character.
_HARMFUL = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
)
_HARM = re.compile(f"[{_HARMFUL}]")
_HARM_BUT_COLOR = re.compile(rf"(\x1b\[[0-9;]*m)|[{_HARMFUL}]")


def printable(text: str) -> str:
    """Text on one line: whatever a terminal would not show as a character is escaped as in Python."""
    escaped = text.replace("\\", "\\\\")
    if escaped.isprintable():
        return escaped
    return "".join(c if c.isprintable() else _escaped(c) for c in escaped)


def visible(text: str, *, color: bool = False) -> str:
    """Text with every character escaped that commands a terminal, ends a line or reorders it. With `color` the
    sequences that set colors stay: they are guard's own."""
    if color:
        return _HARM_BUT_COLOR.sub(lambda found: found[1] or _escaped(found[0]), text)
    return _HARM.sub(lambda found: _escaped(found[0]), text)


def visible_json(text: str) -> str:
    """JSON with the same characters escaped as JSON does it; reading it gives the same value."""
    return _HARM.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def lines(text: str) -> str:
    """Text on any number of lines that command no terminal; what is escaped already stays as it is."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def line(text: str) -> str:
    """The same on one line."""
    return lines(text).replace("\n", "\\n")


def field(text: str) -> str:
    """Text as one field: spaces are escaped as well."""
    return printable(text).replace(" ", "\\x20")


def counted(number: int, noun: str) -> str:
    """A number of things: "1 row", "2,000 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
