"""How far a score may move with its batch, and which rows are told to be that near to their threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardcli import Guard, Options, Settings
from guardcli.classifier import tolerance
from guardcli.classifier.fitting import Encoder
from guardcli.decision import Decision
from guardcli.engine import Reading
from guardcli.engine.task import Groups, T
from guardcli.model import Model
from guardcli.prompt import TEMPLATES, Renderer
from guardcli.taxonomy import Taxonomy
from guardcli.verdict import Answers
from tests.fake import FakeEngine, words


class Moving(FakeEngine):
    """An engine whose logit for "unsafe" rises with the number of prompts beside it."""

    def __init__(self, by: float) -> None:
        super().__init__(words())
        self._by = by

    def run(self, groups: Groups[T]) -> Iterator[list[T]]:
        for group in groups:
            yield [self._answer(task, len(group or ())) for task in group or ()]

    def _answer(self, task: object, beside: int) -> T:
        next(task)  # type: ignore[call-overload]
        try:
            task.send((Reading((0.0, self._by * beside), 1.0),))  # type: ignore[attr-defined]
        except StopIteration as stop:
            result: T = stop.value
            return result
        raise AssertionError("one look is enough")


@pytest.mark.parametrize(("by", "expected"), [(0.0, 0.0), (0.01, 0.03), (math.nan, 0.0), (math.inf, 0.0)])
def test_it_is_what_batches_make_of_a_prompt(model: Model, by: float, expected: float) -> None:
    taxonomy = Taxonomy.load("llama-guard-3")
    encoder = Encoder(Renderer(TEMPLATES["llama-guard-3-8b"], taxonomy), model.vocab, 4000)
    measured = tolerance.measure(Moving(by), encoder, Answers.of(taxonomy, model.vocab))
    assert measured == pytest.approx(expected)


def test_rows_within_it_are_flagged(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "tolerance", 0.1)
    engine = FakeEngine(words(even=0.51, bomb=0.9))
    with Guard(model, "llama-guard-3", engine=engine) as guard:
        chats = ["even", "hi", ["even", "bomb"], ["hi", "even"]]
        values = [
            chat if isinstance(chat, str) else [{"role": "user", "content": text} for text in chat] for chat in chats
        ]
        flagged = ["near_threshold" in verdict.flags for verdict in guard.check(values)]
    # Of several turns only the one that decides counts: no batch makes the third row safe.
    assert flagged == [True, False, False, True]


def test_it_is_measured_once_a_model_and_changes_nothing_else(model: Model, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "models.json"
    rows = []
    for _ in range(2):
        with Guard(model, "llama-guard-3", options=Options(threads=1), cache=cache) as guard:
            rows.append(list(guard.check([f"question {number}" for number in range(40)])))
            assert guard.counts.prompts == 40
    assert rows[0] == rows[1]
    assert len(cache.read_text().splitlines()) == 1


def test_the_canonical_path_has_none(model: Model) -> None:
    with Guard(model, "llama-guard-3", options=Options(threads=1, reproducible=True)) as guard:
        assert guard.tolerance == 0


def test_it_covers_what_happens_on_a_tiny_model(model: Model) -> None:
    texts = [f"question {number} of {number * 7919 % 101}" for number in range(60)]
    scores = {}
    for reproducible in (True, False):
        options = Options(threads=1, reproducible=reproducible)
        with Guard(model, "llama-guard-3", settings=Settings(force=True), options=options) as guard:
            scores[reproducible] = [verdict.score or 0.0 for verdict in guard.check(texts)]
            allowed = guard.tolerance
    both = list(zip(scores[True], scores[False], strict=True))
    assert sum(a != b and not Decision(b, {}, tolerance=allowed).near(a) for a, b in both) <= len(texts) // 20
