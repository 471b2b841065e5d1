"""The check that a model answers with verdicts: a majority of the first prompts decides, from four on."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardcli.errors import ModelError
from guardcli.judging.answer_check import MAX_PROMPTS, AnswerCheck
from guardcli.judging.scoring import PromptScore

GOOD, LOW, FAILED = PromptScore(0.5, 0.5), PromptScore(0.5, 0.25), PromptScore(error="not finite")


def check() -> AnswerCheck:
    return AnswerCheck(Path("m.gguf"), "llama-guard-3-8b")


def test_three_bad_answers_are_not_enough_but_at_the_end() -> None:
    found = check()
    found.observe([LOW] * 3)
    with pytest.raises(
        ModelError, match=r"^m\.gguf does not answer with a verdict: .* is 0\.25 where llama-guard-3-8b"
    ):
        found.finish()
    with pytest.raises(ModelError):
        check().observe([LOW] * 4)


@pytest.mark.parametrize(("scores", "refused"), [([LOW] * 3 + [GOOD] * 2, True), ([LOW] * 3 + [GOOD] * 3, False)])
def test_a_majority_decides(scores: list[PromptScore], refused: bool) -> None:
    found = check()
    for score in scores[:3]:
        found.observe([score])
    if refused:
        with pytest.raises(ModelError):
            found.observe(scores[3:])
    else:
        found.observe(scores[3:])


def test_only_the_first_prompts_and_none_that_failed_are_looked_at() -> None:
    found = check()
    found.observe([FAILED] * 50 + [GOOD] * MAX_PROMPTS + [LOW] * 100)
    assert (found.num_prompts, found.low) == (MAX_PROMPTS, 0)
