"""Verdicts → lines of output. Each format is one module with `line(verdict)`, and one entry here.

A line contains no line break, even if ids and messages do, and ends without one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from guardcli.judging.writers import jsonl, openai, text

if TYPE_CHECKING:
    from guardcli.judging.verdict import Verdict

Writer: TypeAlias = "Callable[[Verdict], str]"

WRITERS: dict[str, Writer] = {"text": text.line, "json": jsonl.line, "openai": openai.line}

NEEDS_SCORES = frozenset({"openai"})  # formats with a score for every category, also of safe records

__all__ = ["NEEDS_SCORES", "WRITERS", "Writer", "text"]
