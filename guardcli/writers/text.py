"""A verdict as one line for people and for `grep`, in fields parted by single spaces.

    unsafe 0.9731 S9 chat.jsonl:17 c1 user#2
    error - - chat.jsonl:18 - - bad JSON: ...

Ids, paths and messages are hostile input: what could forge a line, a field or move the cursor is escaped.
"""

from __future__ import annotations

from guardcli.verdict import Verdict

_COLOURS = {"safe": "\x1b[32m", "unsafe": "\x1b[1;31m", "error": "\x1b[33m"}


def line(verdict: Verdict) -> str:
    """Verdict, score, categories, place, id, judged message, and with an error or `text` that as the rest."""
    key = verdict.key
    place = f"{field(key.source or '')}:{key.line}" + (f":{field(key.part)}" if key.part else "")
    fields = [
        verdict.verdict,
        "-" if verdict.score is None else f"{verdict.score:.4f}",
        field(",".join(verdict.categories)) or "-",
        place,
        field(key.id or "") or "-",
        f"{verdict.role}#{verdict.turn}" if verdict.turn is not None else "-",
        *(printable(rest) for rest in (verdict.error, verdict.text) if rest),
    ]
    return " ".join(fields)


def coloured(verdict: Verdict) -> str:
    """The same line for a terminal, its verdict in colour."""
    return f"{_COLOURS[verdict.verdict]}{verdict.verdict}\x1b[0m{line(verdict)[len(verdict.verdict) :]}"


def printable(text: str) -> str:
    """Text on one line: whatever a terminal would not show as a character is escaped as in Python."""
    escaped = text.replace("\\", "\\\\")
    if escaped.isprintable():
        return escaped
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)


def field(text: str) -> str:
    """Text as one field: spaces are escaped as well."""
    return printable(text).replace(" ", "\\x20")
