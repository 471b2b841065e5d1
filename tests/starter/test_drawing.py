"""What a batch shows: an unsafe row under a list with its own category and under one without, equally long."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from guardcli.prompts import Renderer
from guardcli.prompts.turns import Speaker
from guardcli.taxonomy import Taxonomy
from starter import texts
from starter.batches import Batches, Sampling, listed_share
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


def small() -> Watched:
    policy = Taxonomy.load("llama-guard-3")
    return Watched(train(["some words"] * 9, Renderer(TEMPLATE, policy), size=1_000), policy)


def test_one_list_names_what_the_other_leaves_out() -> None:
    prompts = small()
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


def test_what_is_unsure_stands_in_a_list_by_its_likeliest_hazard() -> None:
    hazards = np.zeros(HAZARDS, np.float32)
    hazards[[0, 1, 8]] = 0.4, 0.4, 0.2
    assert listed_share(hazards, (3, 2, 9)) == 1.0, "either of two that are as likely is enough"
    assert listed_share(hazards, (3, 9)) == pytest.approx(0.25)
    assert listed_share(hazards, (3, 4)) == 0.0
    assert listed_share(np.zeros(HAZARDS, np.float32), (1, 2)) == 0.0


def test_targets_follow_what_stands_in_the_list() -> None:
    """Of a text that may be of several hazards, the likeliest that is listed decides how unsafe it is."""
    hazards = np.zeros(HAZARDS, np.float32)
    hazards[[0, 1, 8]] = 0.4, 0.4, 0.2
    one = Example(([300, 301],), "User", 0.8, hazards, 1.0)
    batches = Batches([one, replace(one, speaker="Agent")], [[310]], small(), seed=0)
    for listed, share in ((Listed((1, 2, 3), (9, 2, 4)), 1.0), (Listed((1, 2), (9, 4)), 0.25)):
        _, targets = batches.batch([([300, 301], one)] * 2, [listed])
        assert targets.unsafe.tolist() == pytest.approx([0.8 * share] * 2)
        assert targets.numbers.sum(1).tolist() == pytest.approx([0.8 * share] * 2)
        assert targets.look[:, 0].tolist() == pytest.approx([1 - share] * 2)
        assert targets.look[:, 9].tolist() == pytest.approx([share * (1 / 3 if 2 in listed.hazards else 1)] * 2)
        assert targets.look.sum(1).tolist() == pytest.approx([1.0] * 2)
    assert targets.all_unsafe.tolist() == pytest.approx([0.8] * 2)


def test_in_a_shuffled_list_any_place_is_the_pairs() -> None:
    """A list that begins with what most rows are of would teach to look no further."""
    prompts = small()
    examples = [example(hazard, speaker) for hazard in (1, 9) for speaker in ("User", "Agent")]
    sampling = Sampling(part_lists=1.0, shuffled=1.0)
    list(islice(Batches(examples, [[300]], prompts, seed=0, sampling=sampling), 400))
    long = [listed.hazards for listed in prompts.shown if len(listed.hazards) == HAZARDS - 1]
    assert len(long) > 100
    for place in (0, HAZARDS // 2, HAZARDS - 2):
        share = sum(hazards[place] in (1, 9) for hazards in long) / len(long)
        assert 0.02 < share < 0.2, "one in thirteen, by chance"


def test_the_pointer_looks_at_the_first_token_for_what_is_not_listed() -> None:
    examples = [example(hazard, speaker) for hazard in (1, 9) for speaker in ("User", "Agent")]
    seen = set()
    for batch, targets in islice(Batches(examples, [[310]], small(), seed=0), 60):
        torch.testing.assert_close(targets.look.sum(1), torch.ones(len(targets.look)))
        missing = targets.look[:, 0]
        torch.testing.assert_close(missing, (targets.unsafe < 0.5).float())
        seen |= {(len(batch.heads), *sorted({float(each) for each in missing}))}
    assert (1, 0.0) in seen, "nothing is missing where all are listed"
    assert (2, 0.0, 1.0) in seen


def test_bodies_are_cut_in_front_and_end_where_the_verdict_comes() -> None:
    prompts = small()
    examples = [example(hazard, speaker) for hazard in (0, 9) for speaker in ("User", "Agent")]
    examples += [replace(one, said=([310, *one.said[0], 303],)) for one in examples]
    tails = {speaker: prompts.after(speaker) for speaker in ("User", "Agent")}
    sampling, seen = Sampling(noise=0.0, context=0.0), set()
    for bodies in islice(Batches(examples, [[311]], prompts, seed=0, sampling=sampling).bodies(8, longest=4), 20):
        for ids, length, unsafe in zip(
            bodies.ids.tolist(), bodies.lengths.tolist(), bodies.unsafe.tolist(), strict=True
        ):
            (speaker,) = (name for name, tail in tails.items() if ids[:length][-len(tail) :] == tail)
            assert ids[0] == prompts.marker
            seen.add((speaker, unsafe, *ids[1 : length - len(tails[speaker])]))
    said = [(300, 301, 302), (300, 301, 302, 303)]
    assert seen == {(speaker, unsafe, *ids) for speaker in tails for unsafe in (0.0, 1.0) for ids in said}


def test_long_texts_are_long_and_the_same_for_the_same_seed() -> None:
    said = [f"Sentence {number} of a set stands here. And so does its neighbour {number}." for number in range(50)]
    found = list(texts.long(said, 60, seed=3))
    lengths = [len(text.split()) for text in found]
    assert min(lengths) >= 40
    assert max(lengths) <= 400
    assert np.median(lengths) > 80
    assert found == list(texts.long(said, 60, seed=3))
    assert found != list(texts.long(said, 60, seed=4))
