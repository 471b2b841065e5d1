"""Verdicts → lines of output. Each format is one module with `line(verdict)`, and one entry here.

A line has no line break inside, whatever ids and messages hold, and ends without one.
"""

from __future__ import annotations

from collections.abc import Callable

from guardcli.verdict import Verdict
from guardcli.writers import jsonl, openai, text

Writer = Callable[[Verdict], str]

WRITERS: dict[str, Writer] = {"text": text.line, "json": jsonl.line, "openai": openai.line}

NEEDS_SCORES = frozenset({"openai"})  # formats that tell a score for every category, of safe records too

__all__ = ["NEEDS_SCORES", "WRITERS", "Writer", "text"]
