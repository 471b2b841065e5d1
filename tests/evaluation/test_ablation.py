"""Taxonomy following, on judges that follow, that do not, and that only count."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from guardcli.evaluation import NativeCategories
from guardcli.evaluation.ablation import POLICY_CHANGES, change_policy, policy_ablation
from guardcli.evaluation.datasets import CategoryIndex, Sample
from guardcli.taxonomy import Taxonomy
from tests.evaluation.planted import item, system
from tests.rows import verdict

LG3 = Taxonomy.load("llama-guard-3")
ITEMS = (item(1, True, "S1"), item(2, True, "S9", "S2"), item(3, True, "unknown"), item(4, False), item(5, True, "S1"))
# The last one is not detected.
JUDGED = replace(system([0.9, 0.9, 0.9, 0.9, 0.2]), categories=CategoryIndex.from_taxonomy(LG3))


def followed(judge: Any) -> dict[str, tuple[int, int, int]]:
    native_categories = NativeCategories.from_samples(ITEMS, JUDGED.categories, None, ())
    found = policy_ablation(ITEMS, JUDGED, native_categories, LG3, judge)
    return {one.change: (one.items, one.stayed, one.errors) for one in found}


def reads(taxonomy: Taxonomy, some: Sequence[Sample]) -> list[dict[str, Any]]:
    """A judge that calls unsafe what a category of the policy holds for."""
    there = {category.id for category in taxonomy.categories}
    return [
        verdict(one.key.line, 0.9 if there & set(one.ground_truth.annotations) else 0.1, source="set.jsonl")
        for one in some
    ]


def test_a_judge_that_reads_the_policy_turns_where_it_should() -> None:
    assert followed(reads) == {
        "own removed": (2, 0, 0),
        "another removed": (2, 2, 0),
        "half dropped and shuffled": (2, 2, 0),
        "shuffled": (2, 2, 0),
    }


def test_one_that_knows_by_heart_stays_and_errors_are_counted() -> None:
    stays = followed(lambda _taxonomy, some: [verdict(one.key.line, 0.9, source="set.jsonl") for one in some])
    assert {stayed for _, stayed, _ in stays.values()} == {2}
    fails = followed(lambda _taxonomy, some: [verdict(one.key.line, None, source="set.jsonl") for one in some])
    assert set(fails.values()) == {(2, 0, 2)}


@pytest.mark.parametrize("change", POLICY_CHANGES)
def test_a_changed_policy_keeps_every_id(change: Any) -> None:
    found = change_policy(LG3, ["S1", "S4"], change, random.Random(1))
    by_id = {category.id: category for category in LG3.categories}
    ids = [category.id for category in found.categories]
    assert all(by_id[category.id] == category for category in found.categories)
    wanted = {"own removed": 12, "another removed": 13, "half dropped and shuffled": 8, "shuffled": 14}
    assert len(set(ids)) == len(ids) == wanted[change]
    assert ({"S1", "S4"} <= set(ids)) is (change != "own removed")
    assert (ids == sorted(ids, key=lambda id_: int(id_[1:]))) is ("shuffled" not in change)
