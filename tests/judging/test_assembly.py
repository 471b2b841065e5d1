"""Assembly: the scores of prompts become the rows of a record, and what was not judged is never safe."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping

import pytest

from guardcli.conversation import Conversation, Key, Message, Record
from guardcli.judging import DecisionRule, JudgeConfig, Provenance, Verdict
from guardcli.judging.assembly import assemble_verdicts
from guardcli.judging.decision import LOW_MASS
from guardcli.judging.preparation import PreparedRecord, TurnPrompts
from guardcli.judging.scoring import PromptScore
from guardcli.judging.truncation import EncodedPrompt, PromptWindows
from guardcli.prompts.turns import Turn, why_unjudged

BY = Provenance(
    model="m",
    template="t",
    scoring="verdict",
    taxonomy="p",
    prompt_digest="1",
    decision_digest="2",
    labels={"S1": "violence", "S2": "fraud"},
)
RECORD = Record(Key("a", 1), Conversation((Message("user", "hi"), Message("assistant", "ho"))), {"lang": "en"})


def turn(number: int, windows: Mapping[str | None, int], *, text: str = "hi") -> TurnPrompts:
    """A judged turn with so many windows by category."""
    prompts = {
        category: PromptWindows((EncodedPrompt(array("i", [1]), 1),) * count) for category, count in windows.items()
    }
    flags = ("windowed",) if any(count > 1 for count in windows.values()) else ()
    judged = Turn(number, "user", "User", text)
    return TurnPrompts(judged, prompts, flags, why_unjudged(judged, ["User"]))


def rows(turns: tuple[TurnPrompts, ...], *scores: PromptScore, config: JudgeConfig | None = None) -> list[Verdict]:
    prepared = PreparedRecord(RECORD, turns, error=None if turns else "no message to judge")
    return list(assemble_verdicts(prepared, scores, config or JudgeConfig(), DecisionRule(0.5), BY, tolerance=0.0))


def score(value: float, **fields: object) -> PromptScore:
    return PromptScore(**{"score": value, "mass": 0.9, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("windows", [{None: 1}, {"S1": 1}])
def test_an_answer_needs_half_of_the_mass(windows: Mapping[str | None, int]) -> None:
    (just,) = rows((turn(1, windows),), score(0.1, mass=LOW_MASS))
    assert (just.verdict, just.flags, just.error) == ("safe", (), None)
    (less,) = rows((turn(1, windows),), score(0.1, mass=math.nextafter(LOW_MASS, 0)))
    assert (less.verdict, less.flags) == ("error", ("low_mass",))


def test_the_window_with_the_highest_score_decides() -> None:
    (row,) = rows((turn(1, {None: 2}),), score(0.2), score(0.8, categories=("S2",)))
    assert (row.verdict, row.score, row.categories, row.flags) == ("unsafe", 0.8, ("fraud",), ("windowed",))


@pytest.mark.parametrize(("other", "verdict"), [(0.2, "error"), (0.8, "unsafe")])
def test_a_window_that_was_not_judged(other: float, verdict: str) -> None:
    (row,) = rows((turn(1, {None: 2}),), score(other, categories=("S1",)), PromptScore(error="not finite"))
    assert (row.verdict, row.error) == (verdict, "not finite")


def test_a_category_that_was_not_judged() -> None:
    windows = {"S1": 1, "S2": 1}
    (row,) = rows((turn(1, windows),), score(0.2), PromptScore(error="not finite"))
    assert (row.verdict, row.error) == ("error", "not finite")
    (row,) = rows((turn(1, windows),), score(0.7), PromptScore(error="not finite"))
    assert (row.verdict, row.categories, row.category_scores) == ("unsafe", ("violence",), {"violence": 0.7})
    (row,) = rows((turn(1, windows),), *[PromptScore(error="not finite")] * 2)
    assert (row.verdict, row.score, row.error) == ("error", None, "not finite")


def test_one_row_for_the_record_or_one_for_each_turn() -> None:
    turns, scores = (turn(1, {None: 1}), turn(2, {None: 1}, text="ho")), (score(0.9, categories=("S1",)), score(0.1))
    (row,) = rows(turns, *scores, config=JudgeConfig(target="any", text=True))
    assert (row.verdict, row.turn, row.text) == ("unsafe", 1, "hi")
    each = rows(turns, *scores, config=JudgeConfig(target="each", text=True, keep=("lang", "no")))
    assert [(row.verdict, row.turn, row.text, row.meta) for row in each] == [
        ("unsafe", 1, "hi", {"lang": "en"}),
        ("safe", 2, "ho", {"lang": "en"}),
    ]


def test_a_turn_without_text_and_a_record_without_turns_are_errors() -> None:
    (row,) = rows((turn(1, {}, text=""),))
    assert (row.verdict, row.turn, row.error) == ("error", 1, "nothing to judge: message 1 (user) has no text")
    (row,) = rows(())
    assert (row.verdict, row.turn, row.error) == ("error", None, "no message to judge")
