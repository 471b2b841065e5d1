"""The names of the categories in rows come from the taxonomy that the model read."""

from __future__ import annotations

from dataclasses import replace

from guardcli.judging.category_names import categories_by_label
from guardcli.judging.verdict import Provenance
from guardcli.taxonomy import Taxonomy
from tests.rows import verdict

BUNDLED = Taxonomy.load("llama-guard-3")
MINE = Taxonomy.from_yaml("name: mine\ncategories: [{id: S1, name: Spoilers, key: spoilers}, {id: S2, name: Ads}]")


def provenance(taxonomy: Taxonomy) -> Provenance:
    return replace(verdict(1, 0.1).provenance, prompt_digest=taxonomy.prompt_digest)


def test_a_bundled_taxonomy_is_found_by_its_digest() -> None:
    categories = categories_by_label([provenance(BUNDLED)])
    assert [category.name for category in categories.values()] == [category.name for category in BUNDLED.categories]


def test_a_file_is_found_if_it_is_loaded() -> None:
    assert categories_by_label([provenance(MINE)]) == {}
    categories = categories_by_label([provenance(MINE)], [MINE])
    assert {label: category.name for label, category in categories.items()} == {"spoilers": "Spoilers", "S2": "Ads"}


def test_a_label_of_two_meanings_has_no_name() -> None:
    categories = categories_by_label([provenance(BUNDLED), provenance(MINE)], [MINE])
    assert "S2" not in categories
    assert categories["S1"].name == "Violent Crimes"
    assert categories["spoilers"].name == "Spoilers"


def test_without_rows_there_is_nothing_to_name() -> None:
    assert categories_by_label([], [MINE]) == {}
