"""Augmentation: what may be dropped, what never is, and that all of it follows from the seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation import Variation
from guardcli.training.augmentation.variants import renumbered, shuffled, without_some, without_violated

POLICY = Taxonomy.load("llama-guard-3")
IDS = [category.id for category in POLICY.categories]
VIOLATED = st.sets(st.sampled_from(IDS)).map(lambda ids: tuple(id_ for id_ in IDS if id_ in ids))
SEEDS = st.integers(0, 1 << 32)


@given(VIOLATED, SEEDS)
def test_only_what_is_not_violated_is_dropped(violated: tuple[str, ...], seed: int) -> None:
    kept = [category.id for category in without_some(POLICY.categories, violated, Random(seed))]
    assert set(violated) <= set(kept)
    assert kept
    assert kept == [id_ for id_ in IDS if id_ in kept]


def test_any_number_may_be_dropped() -> None:
    sizes = Counter(len(without_some(POLICY.categories, ["S1"], Random(seed))) for seed in range(1400))
    assert set(sizes) == set(range(1, 15))
    assert all(60 < count < 150 for count in sizes.values())  # 100 each


def test_all_that_is_violated_is_dropped() -> None:
    kept = [category.id for category in without_violated(POLICY.categories, ["S1", "S14"])]
    assert kept == IDS[1:13]


@given(SEEDS)
def test_shuffling_loses_nothing(seed: int) -> None:
    categories = shuffled(POLICY.categories, Random(seed))
    assert sorted(categories, key=lambda category: IDS.index(category.id)) == list(POLICY.categories)


def test_numbers_count_from_one_behind_the_letter() -> None:
    some = POLICY.categories[5], POLICY.categories[2]
    assert [(category.id, category.name) for category in renumbered(some)] == [
        ("S1", some[0].name),
        ("S2", some[1].name),
    ]
    guard_1 = Taxonomy.load("llama-guard-1").categories
    assert [category.id for category in renumbered(guard_1[::-1])] == ["O1", "O2", "O3", "O4", "O5", "O6"]


def test_the_plain_one_is_the_policy_as_it_is() -> None:
    variant = Variation(renumber=True).plain(POLICY, ("S2", "S9"))
    assert (variant.taxonomy, variant.violated, variant.order, variant.kind) == (
        POLICY,
        ("S2", "S9"),
        tuple(IDS),
        "plain",
    )


@given(VIOLATED, SEEDS, st.booleans(), st.booleans(), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_answer_names_what_is_violated_by_the_variants_own_ids(
    violated: tuple[str, ...], seed: int, renumber: bool, complete: bool, made_safe: float
) -> None:
    variation = Variation(made_safe, renumber)
    variant = variation.vary(POLICY, violated, Random(seed), complete=complete)
    own = [category.id for category in variant.taxonomy.categories]
    names = {category.id: category.name for category in POLICY.categories}
    assert [category.name for category in variant.taxonomy.categories] == [names[id_] for id_ in variant.order]
    assert own == ([f"S{number}" for number in range(1, len(own) + 1)] if renumber else list(variant.order))
    answered = [variant.order[own.index(id_)] for id_ in variant.violated]
    if variant.kind == "made safe":
        assert (answered, set(variant.order) & set(violated)) == ([], set())
        assert complete
        assert violated
    else:
        assert set(answered) == set(violated)
    assert answered == [id_ for id_ in variant.order if id_ in answered]  # listed as the prompt lists them


def test_how_often_an_unsafe_record_becomes_safe() -> None:
    for made_safe, expected in ((0.0, 0), (1.0, 400)):
        kinds = [Variation(made_safe).vary(POLICY, ("S9",), Random(seed)).kind for seed in range(400)]
        assert kinds.count("made safe") == expected
    kinds = [Variation(0.25).vary(POLICY, ("S9",), Random(seed)).kind for seed in range(400)]
    assert 70 < kinds.count("made safe") < 130


def test_what_cannot_be_made_safe() -> None:
    """All categories are violated; one has no id in the policy, so without the others it may be unsafe still."""
    always = Variation(1.0)
    assert always.vary(POLICY, tuple(IDS), Random(0)).kind == "augmented"
    assert always.vary(POLICY, ("S9",), Random(0), complete=False).kind == "augmented"
    assert always.vary(POLICY, (), Random(0)).kind == "augmented"


def test_one_category_always_stays() -> None:
    one = replace(POLICY, categories=POLICY.categories[:1])
    assert Variation(1.0).vary(one, ("S1",), Random(0)).violated == ("S1",)
    assert Variation(1.0).vary(one, (), Random(0)).order == ("S1",)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same(seed: int) -> None:
    first, second = (Variation().vary(POLICY, ("S9",), Random(seed)) for _ in range(2))
    assert first == second
    assert first != Variation().vary(POLICY, ("S9",), Random(seed + 1))
