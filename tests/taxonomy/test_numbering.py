"""New ids."""

from __future__ import annotations

from guardcli.taxonomy import Taxonomy, number_from_one


def test_number_from_one_keeps_the_letter() -> None:
    categories = Taxonomy.load("llama-guard-3").categories
    some = categories[5], categories[2]
    assert [(category.id, category.name) for category in number_from_one(some)] == [
        ("S1", some[0].name),
        ("S2", some[1].name),
    ]
    guard_1 = Taxonomy.load("llama-guard-1").categories
    assert [category.id for category in number_from_one(guard_1[::-1])] == ["O1", "O2", "O3", "O4", "O5", "O6"]
