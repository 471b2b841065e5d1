"""What is said to people: hostile text made harmless for a terminal, and numbers with their nouns. It knows no rows."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text on one line: whatever a terminal would not show as a character is escaped as in Python."""
    escaped = text.replace("\\", "\\\\")
    if escaped.isprintable():
        return escaped
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)


def lines(text: str) -> str:
    """Text on any number of lines that command no terminal; what is escaped already stays as it is."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def line(text: str) -> str:
    """The same on one line."""
    return lines(text).replace("\n", "\\n")


def field(text: str) -> str:
    """Text as one field: spaces are escaped as well."""
    return printable(text).replace(" ", "\\x20")


def counted(number: int, noun: str) -> str:
    """A number of things: "1 row", "2,000 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
