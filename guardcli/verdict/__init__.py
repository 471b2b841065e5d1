"""Logits → verdicts: how the model's answer is read (`answers`, `judging`) and the row that says it (`row`)."""

from __future__ import annotations

from guardcli.verdict.answers import Answers
from guardcli.verdict.judging import Outcome, judge
from guardcli.verdict.row import Provenance, Verdict

__all__ = ["Answers", "Outcome", "Provenance", "Verdict", "judge"]
