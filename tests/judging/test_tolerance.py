"""How far a score may move with its batch, and which rows are told to be that near to their threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from guardcli import EngineConfig, Guard, JudgeConfig
from guardcli.engine import Engine, LogitCoroutine, Logits, open_engine
from guardcli.engine.request import K, RequestGroups, T
from guardcli.judging import AnswerGrammar, tolerance
from guardcli.judging.pipeline import Pipeline
from guardcli.judging.truncation import PromptEncoder
from guardcli.models import Model
from guardcli.models.vocab import TokenIds
from guardcli.prompts import TEMPLATES, Renderer
from guardcli.prompts.turns import Turn
from guardcli.taxonomy import Taxonomy
from tests import tiny
from tests.fake import FakeEngine, words


@dataclass(frozen=True)
class Shape:
    """How a prompt was evaluated: prompts of its run, tokens not in the cache, and of how many parts its cache is."""

    beside: int
    rows: int
    parts: int


class ShapedEngine(FakeEngine):
    """An engine with a prefix cache, whose log-odds of "unsafe" are a function of the prompt and its shape.

    As the batched engine does, it keeps what is declared a prefix until it is reset.
    """

    def __init__(self, odds: Callable[[int, Shape], float]) -> None:
        super().__init__(words())
        self.evaluated = 0
        self._odds = odds
        self._prefixes: list[tuple[int, ...]] = []
        self._prompts: list[tuple[int, ...]] = []

    def run(self, groups: RequestGroups[K, T]) -> Iterator[tuple[K, list[T]]]:
        for keyed_group in groups:
            if keyed_group is not None:
                key, group = keyed_group
                yield key, [self._answer(request, len(group)) for request in group]

    def reset(self, prefixes: Sequence[TokenIds] = ()) -> None:
        super().reset(prefixes)
        self._prefixes = []

    def _answer(self, request: LogitCoroutine[T], beside: int) -> T:
        step = next(request)
        tokens = tuple(step.tokens)
        cached = [prefix for prefix in self._prefixes if tokens[: len(prefix)] == prefix]
        rows = len(tokens) - max(map(len, cached), default=0)
        self.evaluated += rows
        if step.prefix_len and tokens[: step.prefix_len] not in cached:
            self._prefixes.append(tokens[: step.prefix_len])
        if tokens not in self._prompts:
            self._prompts.append(tokens)
        odds = self._odds(self._prompts.index(tokens), Shape(beside, rows, len(cached)))
        try:
            request.send((Logits((0.0, odds), 1.0),))
        except StopIteration as stop:
            result: T = stop.value
            return result
        raise AssertionError("a request of one step was expected")


def measured(model: Model, engine: Engine, least: float = 0.0) -> float:
    taxonomy = Taxonomy.load("llama-guard-3")
    encoder = PromptEncoder(Renderer(TEMPLATES["llama-guard-3-8b"], taxonomy), model.vocab, 4000)
    answers = AnswerGrammar.from_taxonomy(taxonomy, TEMPLATES["llama-guard-3-8b"], model.vocab)
    return tolerance.measure(engine, encoder, answers, least=least)


@pytest.mark.parametrize(
    "moves",
    [
        pytest.param(lambda shape: shape.beside > 1, id="prompts beside it"),
        pytest.param(lambda shape: shape.rows == 1, id="one token at a time"),
        pytest.param(lambda shape: shape.parts > 2 and shape.rows > 1, id="a cache filled in parts"),
    ],
)
def test_it_is_three_times_the_largest_movement(model: Model, moves: Callable[[Shape], bool]) -> None:
    """Whichever shape moves, though the two others agree."""
    assert measured(model, ShapedEngine(lambda _, shape: 0.01 * moves(shape))) == pytest.approx(0.03)


@pytest.mark.parametrize("number", range(len(tolerance.PROMPTS)))
def test_one_prompt_that_moves_is_enough(model: Model, number: int) -> None:
    texts: list[int] = []

    def odds(prompt: int, shape: Shape) -> float:
        """Prompts are numbered as they are first seen: all of them together, before any part of a prefix."""
        texts.append(prompt)
        return 7.0 + 0.01 * (prompt == number and shape.beside > 1)

    assert measured(model, ShapedEngine(odds)) == pytest.approx(0.03)
    assert texts[: len(tolerance.PROMPTS)] == list(range(len(tolerance.PROMPTS)))


@pytest.mark.parametrize("odds", [0.0, 5.0, math.nan, math.inf])
def test_it_is_the_least_where_nothing_moves(model: Model, odds: float) -> None:
    assert measured(model, ShapedEngine(lambda *_: odds), least=0.02) == 0.02
    assert measured(model, ShapedEngine(lambda *_: odds)) == 0.0


def test_a_reading_that_is_not_finite_is_left_out(model: Model) -> None:
    engine = ShapedEngine(lambda _, shape: math.nan if shape.beside > 1 else 0.01 * (shape.rows == 1))
    assert measured(model, engine) == pytest.approx(0.03)


def test_it_costs_two_prefixes_and_two_evaluations_of_each_prompt(model: Model) -> None:
    engine = ShapedEngine(lambda *_: 0.0)
    measured(model, engine)
    encoder = PromptEncoder(Renderer(TEMPLATES["llama-guard-3-8b"], Taxonomy.load("llama-guard-3")), model.vocab, 4000)
    turns = [encoder.conversation([Turn(1, "user", "User", text)]) for text in tolerance.PROMPTS]
    prompts = [prompt for one in turns for prompt in encoder.fit(one, 0).prompts]
    rest = sum(len(prompt.tokens) - prompt.prefix_len for prompt in prompts)
    assert engine.evaluated <= 1.1 * (2 * prompts[0].prefix_len + 2 * rest)


@pytest.mark.parametrize(
    ("description", "least"),
    [
        ("llama 1B all F32", 0.01),
        ("llama ?B (guessed) F16", 0.01),
        ("llama 8B BF16", 0.01),
        ("llama 1B Q8_0", 0.03),
        ("llama 1B Q4_K - Medium", 0.05),
        ("llama 1B IQ2_XXS - 2.0625 bpw", 0.05),
        ("", 0.05),
    ],
)
def test_its_floor_depends_on_the_quantization(description: str, least: float) -> None:
    assert tolerance.floor(description) == least


def test_a_guard_has_at_least_the_floor_of_its_model(model: Model) -> None:
    with Guard(model, "llama-guard-3", engine=EngineConfig(threads=1)) as guard:
        assert guard.measure_tolerance() >= tolerance.floor(model.llama.description) == 0.01


def test_rows_within_it_are_flagged(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "measure_tolerance", lambda pipeline: 0.1)
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
        with Guard(model, "llama-guard-3", engine=EngineConfig(threads=1), cache=cache) as guard:
            rows.append(list(guard.check([f"question {number}" for number in range(40)])))
            assert guard.stats.prompts == 40
    assert rows[0] == rows[1]
    assert len(cache.read_text().splitlines()) == 1


def test_the_deterministic_engine_has_none(model: Model) -> None:
    with Guard(model, "llama-guard-3", engine=EngineConfig(threads=1, reproducible=True)) as guard:
        assert guard.measure_tolerance() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("width", "half"), [(32, False), (32, True), (256, False), (256, True)])
def test_it_covers_what_happens_on_a_tiny_model(width: int, half: bool, tmp_path: Path) -> None:
    """Without a floor: 19 of 20 prompts move by no more between the deterministic engine and small or large batches."""
    path = tiny.write(tmp_path / "tiny.gguf", answers=True, width=width, half=half)
    texts = ["or " * (number % 20) + f"question {number}" for number in range(60)]
    options = EngineConfig(
        threads=1, batch_size=128
    )  # so that of many prompts a few tokens are left for the next batch
    with Model.load(path, template="llama-guard-3-8b") as loaded:
        found = [
            log_odds(loaded, texts, replace(options, reproducible=True), at_a_time=len(texts)),
            *(log_odds(loaded, texts, options, at_a_time=size) for size in (3, len(texts))),
        ]
        engine = open_engine(loaded.llama, options)
        allowed = measured(loaded, engine)
        engine.close()
    assert sum(max(odds) - min(odds) > allowed for odds in zip(*found, strict=True)) <= len(texts) // 20


def log_odds(model: Model, texts: Sequence[str], options: EngineConfig, *, at_a_time: int) -> list[float]:
    """The log-odds of "unsafe", judged so many texts at a time."""
    with Guard(model, "llama-guard-3", config=JudgeConfig(allow_unverified_model=True), engine=options) as guard:
        starts = range(0, len(texts), at_a_time)
        verdicts = [verdict for start in starts for verdict in guard.check(texts[start : start + at_a_time])]
    scores = [verdict.score or math.nan for verdict in verdicts]
    return [math.log(score) - math.log1p(-score) for score in scores]
