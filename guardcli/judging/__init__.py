"""Records to verdicts: the pipeline, the decision, the verdict row, its readers and writers.

Names are imported when they are first used, so that commands that read stored verdicts do not load llama.cpp.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardcli.judging.answers import AnswerGrammar
    from guardcli.judging.calibration import Calibration, FitReport
    from guardcli.judging.decision import Decision, DecisionRule, Scores, TurnScores, decide, highest_scores
    from guardcli.judging.filtering import FilteredRecord, filter_records
    from guardcli.judging.guard import Guard, Prefetch
    from guardcli.judging.pipeline import JudgedRecord
    from guardcli.judging.preparation import JudgeConfig
    from guardcli.judging.scoring import PromptScore, score_prompt
    from guardcli.judging.summary import Summary, summarize
    from guardcli.judging.verdict import Provenance, Verdict

_MODULES = {
    "AnswerGrammar": "answers",
    "Calibration": "calibration",
    "Decision": "decision",
    "DecisionRule": "decision",
    "FilteredRecord": "filtering",
    "FitReport": "calibration",
    "Guard": "guard",
    "JudgeConfig": "preparation",
    "JudgedRecord": "pipeline",
    "Prefetch": "guard",
    "PromptScore": "scoring",
    "Provenance": "verdict",
    "Scores": "decision",
    "Summary": "summary",
    "TurnScores": "decision",
    "Verdict": "verdict",
    "decide": "decision",
    "filter_records": "filtering",
    "highest_scores": "decision",
    "score_prompt": "scoring",
    "summarize": "summary",
}

__all__ = [
    "AnswerGrammar",
    "Calibration",
    "Decision",
    "DecisionRule",
    "FilteredRecord",
    "FitReport",
    "Guard",
    "JudgeConfig",
    "JudgedRecord",
    "Prefetch",
    "PromptScore",
    "Provenance",
    "Scores",
    "Summary",
    "TurnScores",
    "Verdict",
    "decide",
    "filter_records",
    "highest_scores",
    "score_prompt",
    "summarize",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
