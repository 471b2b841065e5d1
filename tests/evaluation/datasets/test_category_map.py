"""Native categories and a policy's: by name, by map, and where the two contradict each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardcli.errors import InputError
from guardcli.evaluation.datasets import CategoryIndex, CategoryMap
from guardcli.taxonomy import Taxonomy

LG3 = CategoryIndex.from_taxonomy(Taxonomy.load("llama-guard-3"))
OPENAI = CategoryIndex.from_taxonomy(Taxonomy.load("openai-moderation"))


@pytest.mark.parametrize(
    ("native", "categories", "label"),
    [
        ("S9", LG3, "S9"),
        ("violent crimes", LG3, "S1"),
        ("sexual/minors", OPENAI, "sexual/minors"),
        ("Sexual Content", OPENAI, "sexual"),
        ("sexual", LG3, None),
    ],
)
def test_by_id_key_and_name(native: str, categories: CategoryIndex, label: str | None) -> None:
    assert CategoryMap().label(native, "set", categories) == label


def test_an_id_outranks_a_name_and_a_name_that_two_have_is_nobodys() -> None:
    same = "{id: S1, name: Hate}, {id: S2, name: Hate}, {id: S3, name: S1}, {id: S4, name: Other, key: four}"
    found = CategoryIndex.from_taxonomy(Taxonomy.from_yaml(f"name: x\ncategories: [{same}]\n"))
    assert [found.find(name) for name in ("S1", "hate", "four", "other")] == ["S1", None, "four", "four"]


def test_by_map_of_one_set_or_of_several(tmp_path: Path) -> None:
    flat, nested = tmp_path / "flat.json", tmp_path / "nested.json"
    flat.write_text(json.dumps({"S3": "S4", "harassment": None}))
    nested.write_text(json.dumps({"openai_mod": {"S3": "S4"}, "other": {"S3": "S9"}}))
    assert CategoryMap.load(flat).label("sexual/minors", "any", LG3) == "S4"  # by the set's own abbreviation
    assert CategoryMap.load(flat).label("harassment", "any", LG3) is None
    assert CategoryMap.load(nested).label("sexual/minors", "openai_mod", LG3) == "S4"
    assert CategoryMap.load(nested).label("sexual/minors", "third", LG3) is None


def test_codes_of_another_policy_are_an_error_and_not_other_categories(tmp_path: Path) -> None:
    """S12 is something else in the policy that has `sexual` as S1."""
    path = tmp_path / "map.json"
    path.write_text('{"sexual": "S12", "violence": "S1"}')
    with pytest.raises(InputError, match=r"maps 'violence' to S1, and the policy has a category of the same name"):
        CategoryMap.load(path).label("violence", "set", OPENAI)
    assert CategoryMap.load(path, "openai-moderation").label("violence", "set", OPENAI) == "sexual"
    assert CategoryMap.load(path).label("violence", "set", LG3) == "S1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "it is not a category map"),
        ('{"a": 1}', "it is not a category map"),
        ('{"a": {"b": 1}}', "'a' in it is not a category map"),
        ("{", "not JSON"),
    ],
)
def test_invalid_maps_are_rejected(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        CategoryMap.load(path)
    with pytest.raises(InputError, match="No such file"):
        CategoryMap.load(tmp_path / "none.json")
