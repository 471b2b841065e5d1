"""A verdict as one line for people and for `grep`, in fields parted by single spaces.

    unsafe 0.9731 S9 chat.jsonl:17 c1 user#2 [truncated,system:1]
    safe 0.0231 - chat.jsonl:18 c2 user#1 -
    error - - chat.jsonl:19 - - - bad JSON: ...

Ids, paths and messages are hostile input: what could forge a line, a field or move the cursor is escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardcli.errors import as_options
from guardcli.formats import UNREAD_TEXT
from guardcli.text.escaping import escape_field, escape_terminal

if TYPE_CHECKING:
    from guardcli.judging.verdict import Verdict

_COLORS = {"safe": "\x1b[32m", "unsafe": "\x1b[1;31m", "error": "\x1b[33m"}


def line(verdict: Verdict) -> str:
    """Verdict, score, categories, place, id, judged message and remarks; then the error or the text, if any."""
    key = verdict.key
    error = None if verdict.error is None else as_options(verdict.error)
    fields = [
        verdict.verdict,
        "-" if verdict.judged_score is None else f"{verdict.judged_score:.4f}",
        escape_field(",".join(verdict.categories or ())) or "-",
        escape_field(key.location),
        escape_field(key.id or "") or "-",
        f"{verdict.role}#{verdict.turn}" if verdict.turn is not None else "-",
        remarks(verdict),
        *(escape_terminal(rest) for rest in (error, verdict.text) if rest),
    ]
    return " ".join(fields)


def remarks(verdict: Verdict) -> str:
    """What a reader must know besides, in brackets, or "-": flags, what was cut, what was left out."""
    left_out = [f"{kind}:{count}" for kind, count in verdict.skipped.items()]
    unread = [f"unread:{path}" for path in verdict.unread or ()]
    flags = [flag for flag in verdict.flags if flag != UNREAD_TEXT]  # the paths say it
    notes = [*flags, *(["truncated"] if verdict.truncated else []), *left_out, *unread]
    return f"[{','.join(map(escape_field, notes))}]" if notes else "-"


def colored(verdict: Verdict) -> str:
    """The same line for a terminal, its verdict in color."""
    return f"{_COLORS[verdict.verdict]}{verdict.verdict}\x1b[0m{line(verdict)[len(verdict.verdict) :]}"
