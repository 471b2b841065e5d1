"""One prompt a category: scores, thresholds of their own, and that nothing unjudged becomes safe."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guardcli import EngineConfig, Guard, JudgeConfig, Taxonomy
from guardcli.conversation import Conversation, Message
from guardcli.judging import Verdict
from guardcli.judging.pipeline import Pipeline
from guardcli.models import Model
from tests import tiny
from tests.fake import FakeEngine, judged_text

POLICY = """\
name: acme
threshold: 0.5
categories:
  - {id: S1, name: Pets, key: pets}
  - {id: S2, name: Cars, threshold: 0.2}
  - {id: S7, name: Food}
"""
Scores = Mapping[str, Mapping[str, float]]


class ByCategory(FakeEngine):
    """Answers by the one category that a prompt asks about, and the word that the judged message is."""

    def __init__(self, scores: Scores, **options: Any) -> None:
        super().__init__(lambda _text: 0.0, **options)
        self._scores = scores

    def score_of(self, prompt: str) -> float:
        (category,) = re.findall(r"^(S\d+): ", prompt, re.MULTILINE)
        return self._scores.get(judged_text(prompt), {}).get(category, 0.01)


SCORES: Scores = {
    "cat": {"S1": 0.9, "S2": 0.3},
    "car": {"S1": 0.4, "S2": 0.25},
    "almost": {"S1": 0.49, "S2": 0.19, "S7": 0.49},
    "odd": {"S1": math.nan},
    "odd car": {"S1": math.nan, "S2": 0.5},
}


def check(model: Model, *values: Any, engine: FakeEngine | None = None, **settings: Any) -> list[Verdict]:
    options = JudgeConfig(**settings)
    with Guard(model, Taxonomy.from_yaml(POLICY), engine=engine or ByCategory(SCORES), config=options) as guard:
        return list(guard.check(values))


def rounded(verdict: Verdict) -> dict[str, float] | None:
    scores = verdict.category_scores
    return None if scores is None else {label: round(score, 3) for label, score in scores.items()}


@pytest.mark.parametrize(
    ("text", "verdict", "score", "categories"),
    [
        ("cat", "unsafe", 0.9, ("pets", "S2")),
        ("car", "unsafe", 0.4, ("S2",)),
        ("almost", "safe", 0.49, ()),
        ("bread", "safe", 0.01, ()),
    ],
)
def test_each_category_is_compared_with_its_own_threshold(
    model: Model, text: str, verdict: str, score: float, categories: tuple[str, ...]
) -> None:
    (row,) = check(model, text)
    assert (row.verdict, round(row.score or 0, 3), row.categories) == (verdict, score, categories)
    assert row.threshold == 0.5
    assert row.provenance.scoring == "per_category"
    assert list(row.category_scores or ()) == ["pets", "S2", "S7"]


def test_the_option_moves_only_thresholds_that_are_not_a_categorys_own(model: Model) -> None:
    (row,) = check(model, "almost", threshold=0.45)
    assert (row.verdict, row.categories) == ("unsafe", ("pets", "S7"))
    (row,) = check(model, "car", threshold=0.99)
    assert (row.verdict, row.categories) == ("unsafe", ("S2",))


def test_it_can_be_asked_for_without_thresholds(model: Model) -> None:
    engine = ByCategory({"cat": {"S3": 0.8}})
    with Guard(model, "llama-guard-3", engine=engine, config=JudgeConfig(per_category=True)) as guard:
        (row,) = guard.check(["cat"])
    assert (row.verdict, row.categories, len(engine.prompts)) == ("unsafe", ("S3",), 14)


def test_of_several_turns_the_highest_scores_and_every_unsafe_turns_categories(model: Model) -> None:
    chat = Conversation(tuple(Message("user", word) for word in ("almost", "car", "cat", "bread")))
    (row,) = check(model, chat)
    assert (row.verdict, row.turn, row.categories) == ("unsafe", 3, ("pets", "S2"))
    assert rounded(row) == {"pets": 0.9, "S2": 0.3, "S7": 0.49}


def test_an_unsafe_turn_decides_although_a_safe_one_scores_higher(model: Model) -> None:
    chat = Conversation((Message("user", "almost"), Message("user", "car")))
    (row,) = check(model, chat)
    assert (row.verdict, row.turn, row.categories) == ("unsafe", 2, ("S2",))
    assert round(row.score or 0, 3) == 0.49


@pytest.mark.parametrize(("text", "verdict"), [("odd", "error"), ("odd car", "unsafe")])
def test_one_prompt_that_failed_spoils_safe_but_not_unsafe(model: Model, text: str, verdict: str) -> None:
    (row,) = check(model, text)
    assert row.verdict == verdict
    assert row.error_code == "model/not-finite"


def test_an_answer_without_a_verdict_is_never_safe(model: Model) -> None:
    values = ["cat", *["bread"] * 3]
    with pytest.raises(Exception, match="does not answer with a verdict"):
        check(model, *values, engine=ByCategory(SCORES, mass=0.3))
    forced = check(model, *values, engine=ByCategory(SCORES, mass=0.3), allow_unverified_model=True)
    assert [row.verdict for row in forced] == ["unsafe", "safe", "safe", "safe"]
    assert all("low_mass" in row.flags for row in forced)


@pytest.mark.parametrize(
    ("scores", "near"),
    [
        ({"S1": 0.49}, True),
        ({"S1": 0.49, "S2": 0.9}, False),  # the other one is unsafe beyond doubt
        ({"S1": 0.51, "S2": 0.01}, True),
        ({"S2": 0.49}, False),  # its own threshold is far
        ({"S2": 0.195}, True),
    ],
)
def test_near_is_to_the_threshold_that_decides(
    model: Model, monkeypatch: pytest.MonkeyPatch, scores: dict[str, float], near: bool
) -> None:
    monkeypatch.setattr(Pipeline, "measure_tolerance", lambda pipeline: 0.1)
    (row,) = check(model, "x", engine=ByCategory({"x": scores}))
    assert ("near_threshold" in row.flags) is near


def test_windows_of_a_long_message(model: Model) -> None:
    text = "xy " * 900 + "cat"

    class InWindows(ByCategory):
        def score_of(self, prompt: str) -> float:
            return 0.8 if "S1: " in prompt and judged_text(prompt).endswith("cat") else 0.01

    (row,) = check(model, text, engine=InWindows({}, max_model_len=1400))
    assert (row.verdict, row.categories, row.flags) == ("unsafe", ("pets",), ("windowed",))


def test_a_real_engine_evaluates_each_prefix_once(model: Model) -> None:
    config, options = JudgeConfig(per_category=True), EngineConfig(threads=1)
    with Guard(model, "llama-guard-3", config=config, engine=options) as guard:
        rows = list(guard.check([f"question {n}" for n in range(30)]))
        stats = guard.stats
    assert len(rows) == 30
    assert stats.prompts == 30 * 14
    assert stats.prefill_tokens <= 1.01 * stats.unique_tokens
    # A prompt alone takes some 400 tokens here, of which its own are some 170.
    assert stats.prefill_tokens < 0.6 * stats.prompt_tokens


def test_deterministic_and_batched_agree(model: Model) -> None:
    found = []
    for reproducible in (True, False):
        options = EngineConfig(threads=1, reproducible=reproducible)
        with Guard(model, "llama-guard-3", config=JudgeConfig(per_category=True), engine=options) as guard:
            found.append([rounded(row) or {} for row in guard.check(["hi", "bread", "car"])])
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, abs=0.02)


def test_a_prefix_of_more_than_half_the_context_is_warned_of(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    examples = "".join(f"      - {{user: '{'qwxz jkvb ' * 20}', verdict: safe}}\n" for _ in range(12))
    text = f"name: x\ncategories:\n  - id: S1\n    name: A\n    examples:\n{examples}"
    with (
        caplog.at_level(logging.WARNING, "guardcli"),
        Guard(model, Taxonomy.from_yaml(text), engine=EngineConfig(threads=1)),
    ):
        pass
    assert re.search(r"the taxonomy takes [\d,]+ of the [\d,]+ tokens of a prompt", caplog.text)


@pytest.mark.parametrize("text", [POLICY, "name: x\nextends: llama-guard-3\n"])
def test_a_common_prefix_is_not_warned_of(model: Model, caplog: pytest.LogCaptureFixture, text: str) -> None:
    with (
        caplog.at_level(logging.WARNING, "guardcli"),
        Guard(model, Taxonomy.from_yaml(text), engine=EngineConfig(threads=1)),
    ):
        pass
    assert "the taxonomy takes" not in caplog.text


THRESHOLDS = "name: a\ncategories: [{id: S15, name: A, threshold: 0.3}, {id: S16, name: B}]"


@pytest.mark.parametrize("asked_for", [True, False])
def test_what_surprises_in_a_policy_is_warned_of(
    model: Model, caplog: pytest.LogCaptureFixture, asked_for: bool
) -> None:
    with caplog.at_level(logging.WARNING, "guardcli"):
        config = JudgeConfig(per_category=asked_for)
        Guard(model, Taxonomy.from_yaml(THRESHOLDS), engine=FakeEngine(lambda _: 0.1), config=config).close()
    assert ("[taxonomy/per-category]" in caplog.text) is not asked_for
    assert "has no effect" not in caplog.text


@pytest.mark.parametrize("asked_for", [True, False])
def test_models_that_are_always_asked_about_one_category(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, asked_for: bool
) -> None:
    path = tiny.write(tmp_path / "toy.gguf", answers=True, chatml=True, pretokenizer="smollm", name="smol-guard-2")
    with caplog.at_level(logging.WARNING, "guardcli"):
        config = JudgeConfig(per_category=asked_for)
        Guard(path, Taxonomy.from_yaml(THRESHOLDS), engine=FakeEngine(lambda _: 0.1), config=config).close()
    notice = (
        "JudgeConfig.per_category has no effect with models of the template smol-guard-2: they are asked about one "
        "category at a time anyway"
    )
    assert [record.getMessage() for record in caplog.records] == [notice] * asked_for
