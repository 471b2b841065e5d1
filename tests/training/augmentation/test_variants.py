"""Policy variants: what may be dropped, what never is, and that the seed decides everything."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.conversation import Key
from guardcli.taxonomy import Taxonomy, Wording
from guardcli.training.augmentation import AugmentConfig, LabeledConversation, PolicyVariant, augment, unaugmented
from guardcli.training.augmentation.variants import drop_random, drop_violated, reword, shuffle

POLICY = Taxonomy.load("llama-guard-3")
IDS = [category.id for category in POLICY.categories]
VIOLATED = st.sets(st.sampled_from(IDS)).map(lambda ids: tuple(id_ for id_ in IDS if id_ in ids))
SEEDS = st.integers(0, 1 << 32)


def labeled(*violated: str, complete: bool = True) -> LabeledConversation:
    return LabeledConversation(Key("a.jsonl", 1), (), violated, complete)


def one_variant(
    violated: tuple[str, ...],
    config: AugmentConfig,
    random: Random,
    *,
    policy: Taxonomy = POLICY,
    complete: bool = True,
) -> PolicyVariant:
    """The variant of a group of one."""
    (variant,) = augment(policy, [labeled(*violated, complete=complete)], config, random)
    return variant


@given(VIOLATED, SEEDS)
def test_violated_categories_are_kept(violated: tuple[str, ...], seed: int) -> None:
    kept = [category.id for category in drop_random(POLICY.categories, violated, Random(seed))]
    assert set(violated) <= set(kept)
    assert kept
    assert kept == [id_ for id_ in IDS if id_ in kept]


def test_each_number_of_dropped_categories_is_equally_likely() -> None:
    sizes = Counter(len(drop_random(POLICY.categories, ["S1"], Random(seed))) for seed in range(1400))
    assert set(sizes) == set(range(1, 15))
    assert all(60 < count < 150 for count in sizes.values())  # 100 each


def test_drop_violated() -> None:
    kept = [category.id for category in drop_violated(POLICY.categories, ["S1", "S14"])]
    assert kept == IDS[1:13]


@given(SEEDS)
def test_shuffle_keeps_all_categories(seed: int) -> None:
    categories = shuffle(POLICY.categories, Random(seed))
    assert sorted(categories, key=lambda category: IDS.index(category.id)) == list(POLICY.categories)


def test_unaugmented_is_the_policy_as_it_is() -> None:
    variant = unaugmented(POLICY, ("S2", "S9"))
    assert (variant.taxonomy, variant.violated, variant.original_ids, variant.kind) == (
        POLICY,
        ("S2", "S9"),
        tuple(IDS),
        "plain",
    )


@given(VIOLATED, SEEDS, st.booleans(), st.booleans(), st.sampled_from([0.0, 0.5, 1.0]))
def test_answer_uses_the_ids_of_the_variant(
    violated: tuple[str, ...], seed: int, renumber: bool, complete: bool, made_safe: float
) -> None:
    variant = one_variant(violated, AugmentConfig(made_safe, renumber), Random(seed), complete=complete)
    own = [category.id for category in variant.taxonomy.categories]
    names = {category.id: category.name for category in POLICY.categories}
    assert [category.name for category in variant.taxonomy.categories] == [names[id_] for id_ in variant.original_ids]
    assert own == ([f"S{number}" for number in range(1, len(own) + 1)] if renumber else list(variant.original_ids))
    answered = [variant.original_ids[own.index(id_)] for id_ in variant.violated]
    if variant.kind == "made safe":
        assert (answered, set(variant.original_ids) & set(violated)) == ([], set())
        assert complete
        assert violated
    else:
        assert set(answered) == set(violated)
    assert answered == [id_ for id_ in variant.original_ids if id_ in answered]  # listed as the prompt lists them


def test_made_safe_is_a_probability() -> None:
    for made_safe, expected in ((0.0, 0), (1.0, 400)):
        kinds = [one_variant(("S9",), AugmentConfig(made_safe), Random(seed)).kind for seed in range(400)]
        assert kinds.count("made safe") == expected
    kinds = [one_variant(("S9",), AugmentConfig(0.25), Random(seed)).kind for seed in range(400)]
    assert 70 < kinds.count("made safe") < 130


def test_some_records_cannot_be_made_safe() -> None:
    """All categories are violated; one has no id in the policy, so without the others it may be unsafe still."""
    always = AugmentConfig(1.0)
    assert one_variant(tuple(IDS), always, Random(0)).kind == "augmented"
    assert one_variant(("S9",), always, Random(0), complete=False).kind == "augmented"
    assert one_variant((), always, Random(0)).kind == "augmented"


def test_one_category_always_stays() -> None:
    one = replace(POLICY, categories=POLICY.categories[:1])
    assert one_variant(("S1",), AugmentConfig(1.0), Random(0), policy=one).violated == ("S1",)
    assert one_variant((), AugmentConfig(1.0), Random(0), policy=one).original_ids == ("S1",)


@pytest.mark.parametrize("seed", [0, 1])
def test_same_seed_gives_the_same_variant(seed: int) -> None:
    first, second = (one_variant(("S9",), AugmentConfig(), Random(seed)) for _ in range(2))
    assert first == second
    assert first != one_variant(("S9",), AugmentConfig(), Random(seed + 1))


GROUPS = st.lists(st.tuples(VIOLATED, st.booleans()), min_size=1, max_size=6)


@given(GROUPS, SEEDS, st.booleans(), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_group_shares_its_policy_and_each_violates_what_is_left(
    group: list[tuple[tuple[str, ...], bool]], seed: int, renumber: bool, made_safe: float
) -> None:
    conversations = [labeled(*violated, complete=complete) for violated, complete in group]
    variants = augment(POLICY, conversations, AugmentConfig(made_safe, renumber), Random(seed))
    first = variants[0]
    assert all((one.taxonomy, one.original_ids) == (first.taxonomy, first.original_ids) for one in variants)
    assert len(variants) == len(group)
    assert first.original_ids
    own = [category.id for category in first.taxonomy.categories]
    for (violated, complete), variant in zip(group, variants, strict=True):
        left = [own[at] for at, id_ in enumerate(first.original_ids) if id_ in violated]
        assert list(variant.violated) == left
        assert variant.kind == ("made safe" if violated and not left else "augmented")
        assert complete or len(left) == len(violated)
        assert made_safe or len(left) == len(violated)


def test_each_category_that_a_group_violates_is_dropped_as_often() -> None:
    group = [labeled("S1", "S2"), labeled("S2"), labeled("S9")]
    variants = [augment(POLICY, group, AugmentConfig(0.25), Random(seed)) for seed in range(800)]
    for id_ in ("S1", "S2", "S9"):
        assert 150 < sum(id_ not in variant.original_ids for variant, *_ in variants) < 250  # 200 each
    assert {tuple(sorted(violated.violated)) for violated, *_ in variants} == {("S1", "S2"), ("S1",), ("S2",), ()}


def test_a_group_that_violates_everything_keeps_a_category() -> None:
    group = [labeled(id_) for id_ in IDS]
    variants = augment(POLICY, group, AugmentConfig(1.0), Random(0))
    assert Counter(variant.kind for variant in variants) == {"made safe": 13, "augmented": 1}
    assert variants[0].original_ids == ("S14",)


WORDINGS = {
    "S1": (Wording("Harm", "Any harm."), Wording("Attacks")),
    "S9": (Wording("Bombs", "Anything that explodes."),),
}


def test_each_wording_is_equally_likely_and_its_own_is_one() -> None:
    drawn = Counter(
        (category.name, category.description)
        for seed in range(600)
        for category in reword(POLICY.categories, WORDINGS, Random(seed))
        if category.id == "S1"
    )
    own = POLICY.categories[0]
    assert set(drawn) == {("Harm", "Any harm."), ("Attacks", None), (own.name, own.description)}
    assert all(150 < count < 250 for count in drawn.values())


def test_categories_without_wordings_stay() -> None:
    for seed in range(20):
        reworded = reword(POLICY.categories, WORDINGS, Random(seed))
        assert [category.id for category in reworded] == IDS
        pairs = zip(reworded, POLICY.categories, strict=True)
        assert all(new == old for new, old in pairs if old.id not in WORDINGS)


@pytest.mark.parametrize(("describe", "share"), [(None, 0), (0.0, 0), (0.5, 100), (1.0, 200)])
def test_a_variant_is_described_with_a_probability(describe: float | None, share: int) -> None:
    config = AugmentConfig(wordings=WORDINGS, describe=describe)
    details = Counter(one_variant(("S9",), config, Random(seed)).taxonomy.detail for seed in range(200))
    assert abs(details["full"] - share) <= (30 if share == 100 else 0)


def test_wordings_change_nothing_else_of_a_variant() -> None:
    """The same categories in the same order, the same answer; renumbered as without them."""
    for seed in range(50):
        plain, reworded = (
            one_variant(("S9",), AugmentConfig(0.25, renumber=True, wordings=wordings), Random(seed))
            for wordings in ({}, WORDINGS)
        )
        assert plain.original_ids == reworded.original_ids
        assert (plain.violated, plain.kind) == (reworded.violated, reworded.kind)
        ids = [[category.id for category in one.taxonomy.categories] for one in (plain, reworded)]
        assert ids[0] == ids[1]


def test_the_policy_as_it_is_keeps_its_names() -> None:
    assert unaugmented(POLICY, ()).taxonomy == POLICY
