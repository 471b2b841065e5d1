"""Scores → verdicts: by which thresholds (`thresholds`), and once more for rows that are stored (`again`).

It needs neither a model nor llama.cpp.
"""

from __future__ import annotations

from guardcli.decision.thresholds import Decision, highest

__all__ = ["Decision", "highest"]
