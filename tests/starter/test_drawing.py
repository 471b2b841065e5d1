"""What a batch shows: an unsafe row under a list with its own category and under one without, equally long."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from guardcli.prompt import Renderer
from guardcli.taxonomy import Taxonomy
from guardcli.turns import Speaker
from starter import texts
from starter.batches import Batches, Sampling
from starter.data import HAZARDS
from starter.draws import Draws, Example
from starter.prompts import FULL, Listed, Prompts
from starter.tokens import TEMPLATE, Tokens, train


def example(hazard: int, speaker: Speaker = "User", weight: float = 1.0) -> Example:
    """An unsafe one of a hazard; a safe one of hazard 0."""
    hazards = np.eye(HAZARDS + 1, dtype=np.float32)[hazard][1:]
    return Example(([300, 301, 302],), speaker, float(hazard > 0), hazards, weight)


def test_hazards_are_drawn_that_examples_show() -> None:
    draws = Draws([example(1, weight=50), example(9), example(0)])
    random = np.random.default_rng(0)
    pairs = [draws.pair(random) for _ in range(200)]
    assert {frozenset(pair) for pair in pairs} == {frozenset((1, 9))}
    drawn = [draws.of((1, 9), random).hazards.argmax() + 1 for _ in range(400)]
    assert 120 < drawn.count(9) < 280, "each of the pair alike, whatever it weighs"
    assert {draws.of((5,), random).weight for _ in range(200)} == {1.0, 50.0}, "any, where none is of the hazard"


def test_nothing_to_draw_from() -> None:
    with pytest.raises(ValueError, match="no examples"):
        Draws([])


class Watched(Prompts):
    """Notes the lists that prompts are made for."""

    def __init__(self, tokens: Tokens, taxonomy: Taxonomy) -> None:
        super().__init__(tokens, taxonomy)
        self.shown: list[Listed] = []

    def head(self, speaker: Speaker, listed: Listed = FULL) -> tuple[list[int], list[int]]:
        self.shown.append(listed)
        return super().head(speaker, listed)


def test_one_list_names_what_the_other_leaves_out() -> None:
    policy = Taxonomy.load("llama-guard-3")
    prompts = Watched(train(["some words"] * 9, Renderer(TEMPLATE, policy), size=1_000), policy)
    examples = [example(hazard, speaker) for hazard in (0, 1, 2, 9) for speaker in ("User", "Agent")]
    sampling = Sampling(part_lists=1.0, renumbered=0.0)
    batches = Batches(examples, [[300, 301]], prompts, seed=0, sampling=sampling)
    split = []
    for _, targets in islice(batches, 40):
        with_own, without = targets.unsafe.view(2, -1)
        split.append(bool(((with_own > 0.5) != (without > 0.5)).any()))
    assert len(prompts.shown) % 2 == 0
    for first, second in zip(prompts.shown[::2], prompts.shown[1::2], strict=True):
        assert len(first.hazards) == len(second.hazards)
        assert set(first.hazards) - set(second.hazards)
        assert set(second.hazards) - set(first.hazards)
    assert all(split), "in each batch some row turns safe with the list alone"


def test_long_texts_are_long_and_the_same_for_the_same_seed() -> None:
    said = [f"Sentence {number} of a set stands here. And so does its neighbour {number}." for number in range(50)]
    found = list(texts.long(said, 60, seed=3))
    lengths = [len(text.split()) for text in found]
    assert min(lengths) >= 40
    assert max(lengths) <= 400
    assert np.median(lengths) > 80
    assert found == list(texts.long(said, 60, seed=3))
    assert found != list(texts.long(said, 60, seed=4))
