"""Taxonomies made of dicts: the same values and the same messages as of YAML, with keys as places."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from guardcli import Taxonomy
from guardcli.errors import TaxonomyError
from guardcli.taxonomy import bundled_taxonomies
from guardcli.taxonomy.files import find_file

OWN = """
name: own
extends: llama-guard-3
drop: [S2, S13]
detail: full
threshold: 0.4
description: |
  For people.
categories:
  - {id: S1, key: crimes, threshold: 0.1, can: [report them], should_not: [help], should: [warn]}
  - id: S20
    name: Spoilers
    examples: [{user: Who was it, assistant: The butler., verdict: unsafe}, {user: Hi, verdict: safe}]
tests:
  - {name: spoiler, prompt: "1984", response: The end., expect: unsafe, categories: [S20, crimes], todo: yes}
"""
S1 = {"id": "S1", "name": "Spoilers"}


def text_of(name: str) -> str:
    path = find_file(name)
    assert path is not None
    return path.read_text("utf-8")


@pytest.mark.parametrize("text", [OWN, *map(text_of, bundled_taxonomies())], ids=["own", *bundled_taxonomies()])
def test_a_dict_is_the_taxonomy_that_the_text_is(text: str) -> None:
    of_dict, of_text = Taxonomy.from_dict(yaml.safe_load(text)), Taxonomy.from_yaml(text)
    assert of_dict == of_text
    assert (of_dict.description, of_dict.extends) == (of_text.description, of_text.extends)


def messages(value: Any, **arguments: Any) -> list[str]:
    with pytest.raises(TaxonomyError) as raised:
        Taxonomy.from_dict(value, **arguments)
    return list(map(str, raised.value.problems))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            {"name": "mine", "categories": [S1 | {"threshold": 2}, {"id": "S1", "name": 5}]},
            [
                "<dict>: categories[0].threshold: `threshold` is `2`: write a number from 0 to 1, such as 0.5",
                "<dict>: categories[1].id: `S1` is already the category under categories[0].id: rename one",
                "<dict>: categories[1].name: `5` is read as a number: quote it",
            ],
        ),
        ({"name": "mine", "categories": []}, ["<dict>: categories: `categories` is empty: list at least one"]),
        (
            {"name": "mine", "categories": "S1"},
            ["<dict>: categories: `categories` is text: write a list, each item after `- `"],
        ),
        (
            {"name": "mine", "categories": [S1], "treshold": 1},
            ["<dict>: treshold: unknown key `treshold`: did you mean `threshold`?"],
        ),
        ({"categories": [S1]}, ["<dict>: `name` is missing: add `name: …`"]),
        ({"name": None, "categories": [S1]}, ["<dict>: name: `name` has no value: write text"]),
        ({"name": True, "categories": [S1]}, ["<dict>: name: `true` is read as a boolean: quote it"]),
        (
            {"name": datetime.date(2024, 5, 1), "categories": [S1]},
            ["<dict>: name: `2024-05-01` is read as a date: quote it"],
        ),
        (
            {"name": "mine", "categories": [S1], "threshold": "0.5"},
            ["<dict>: threshold: `threshold` is text: remove the quotes"],
        ),
        ({"name": "mine", "categories": [S1], 5: "x"}, ["<dict>: the key `5` is of the type int: write text"]),
        ({"name": b"mine"}, ["<dict>: name: expected text, a number, a list or a dict, got bytes"]),
        (
            {},
            [
                "<dict>: `name` is missing: add `name: …`",
                "<dict>: `categories` is missing: list them, or start from another taxonomy with `extends`",
            ],
        ),
        (
            {"users": [1], "password": "x"},
            [
                "<dict>: not a taxonomy: write a mapping, `key: value` in each line, with `name`, and "
                "`categories` or `extends`"
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_dict(value: dict[Any, Any], told: list[str]) -> None:
    assert messages(value) == told


def test_a_dict_that_holds_itself() -> None:
    endless: dict[str, Any] = {"name": "mine"}
    endless["categories"] = [endless]
    (message,) = messages(endless)
    assert message.endswith("categories[0].name: more than 20 levels deep")


def test_a_dict_of_more_values_than_a_policy_needs() -> None:
    (message,) = messages({"name": "mine", "categories": [S1] * 50_000})
    assert message.endswith(": more than 100,000 values: remove some")


def test_what_a_dict_is_called_in_messages() -> None:
    assert messages({"categories": [S1]}, path="settings.toml") == ["settings.toml: `name` is missing: add `name: …`"]


def test_a_dict_extends_files_of_the_folder_that_its_path_is_in(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("name: parent\ncategories: [{id: S1, name: Spoilers}]\n")
    child = {"name": "child", "extends": "parent.yaml", "categories": [{"id": "S2", "name": "Rumors"}]}
    taxonomy = Taxonomy.from_dict(child, str(tmp_path / "settings.toml"))
    assert [category.name for category in taxonomy.categories] == ["Spoilers", "Rumors"]
    assert "there is no file" in messages(child)[0]
