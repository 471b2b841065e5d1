"""Warnings about parts of a policy that will not have the effect that their author may expect."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardcli.prompts import TEMPLATES, Template, policy_warnings, policy_warnings_without_model
from guardcli.taxonomy import Taxonomy, bundled_taxonomies

LG3 = "llama-guard-3-8b"
EXTENDING = "name: a\nextends: llama-guard-3\n"
ALONE = "name: a\n"


def warned(text: str, template: str = LG3, *, per_category: bool = False) -> list[tuple[int, str]]:
    """The line and the code of each warning."""
    taxonomy = Taxonomy.from_yaml(text, "p.yaml")
    warnings = policy_warnings(taxonomy, TEMPLATES[template], per_category=per_category)
    assert {warning.level for warning in warnings} <= {"warning"}
    return [(warning.line, warning.code) for warning in warnings]


@pytest.mark.parametrize("field", ["description: Rivals.", "should_not: [x]", "can: [x]", "should: [x]"])
def test_a_definition_that_is_not_read(field: str) -> None:
    text = f"{EXTENDING}categories:\n  - {{id: S2, key: thefts}}\n  - {{id: S15, name: Rivals, {field}}}\n"
    assert warned(text) == [(5, "taxonomy/description-not-read")]
    assert warned(f"detail: names\n{text}") == [(6, "taxonomy/description-not-read")]
    assert warned(f"detail: full\n{text}") == []


def test_the_message_names_fields_and_categories() -> None:
    text = f"{EXTENDING}categories:\n  - {{id: S15, name: A, can: [x]}}\n  - {{id: S2, description: B}}\n"
    (warning,) = policy_warnings(Taxonomy.from_yaml(text, "p.yaml"), TEMPLATES[LG3])
    assert str(warning) == (
        "p.yaml:5:5: warning: the model reads the name of a category, and not `description` or `can` (S2 and S15): "
        "write `detail: full` if it should"
    )


@pytest.mark.parametrize("text", [EXTENDING, f"{EXTENDING}categories: [{{id: S1, key: violence}}]\n"])
def test_inherited_descriptions_are_not_warned_of(text: str) -> None:
    assert warned(text) == []


def test_a_parent_is_warned_of_by_itself(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"{EXTENDING}categories: [{{id: S15, name: A, description: B}}]\n")
    (tmp_path / "child.yaml").write_text("name: b\nextends: ./base.yaml\n")
    codes = [
        [warning.code for warning in policy_warnings(Taxonomy.load(tmp_path / name), TEMPLATES[LG3])]
        for name in ("base.yaml", "child.yaml")
    ]
    assert codes == [["taxonomy/description-not-read"], []]


@pytest.mark.parametrize("name", bundled_taxonomies())
def test_bundled_taxonomies_fit_the_models_that_were_trained_on_them(name: str) -> None:
    taxonomy = Taxonomy.load(name)
    assert policy_warnings_without_model(taxonomy) == []
    trained = [template for template in TEMPLATES.values() if template.taxonomy == name]
    assert [policy_warnings(taxonomy, template) for template in trained] == [[]] * len(trained)


FRAUD = "categories: [{id: S1, name: Refund Fraud}, {id: S15, name: Rivals}]\n"


@pytest.mark.parametrize("template", [LG3, "llama-guard-3-1b", "llama-guard-4"])
@pytest.mark.parametrize("head", [EXTENDING, ALONE])
def test_an_id_that_the_model_knows_as_something_else(template: str, head: str) -> None:
    (warning,) = policy_warnings(Taxonomy.from_yaml(head + FRAUD, "p.yaml"), TEMPLATES[template])
    assert (warning.code, warning.line) == ("taxonomy/id-of-other-category", head.count("\n") + 1)
    assert warning.message == (
        f"models of {template} were trained to write S1 for Violent Crimes (here Refund Fraud): choose an id that they "
        "do not know, such as S16, and test that they list it"
    )


@pytest.mark.parametrize("template", ["llama-guard-2", "smol-guard"])
def test_families_that_read_what_an_id_stands_for(template: str) -> None:
    assert warned(ALONE + FRAUD, template) == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_only_families_without_shuffled_ids_know_them(template: str) -> None:
    assert not (TEMPLATES[template].renumbers and TEMPLATES[template].knows_ids)


@pytest.mark.parametrize(
    ("name", "is_other"),
    [
        ("Violent crimes", False),
        ("Violence and terrorism", False),
        ("Non-Violent Crimes", True),  # the name of S2
        ("Tax Crimes", True),  # a crime says little
    ],
)
def test_other_words_for_the_same_hazard(name: str, is_other: bool) -> None:
    expected = [(3, "taxonomy/id-of-other-category")] if is_other else []
    assert warned(f"{EXTENDING}categories: [{{id: S1, name: {name}}}]\n") == expected


def test_a_taxonomy_of_another_family() -> None:
    (warning,) = policy_warnings(Taxonomy.load("openai-moderation"), TEMPLATES[LG3])
    assert "S4 for Child Exploitation (here Harassment), and 4 more: choose an id" in warning.message


THRESHOLD = f"{EXTENDING}categories: [{{id: S1, threshold: 0.3}}]\n"


def test_a_threshold_of_a_category_has_a_price() -> None:
    assert warned(THRESHOLD) == [(3, "taxonomy/per-category")]
    (warning,) = policy_warnings(Taxonomy.from_yaml(THRESHOLD), TEMPLATES[LG3])
    assert "each of the 14 categories" in warning.message
    assert "about 14 times the tokens" in warning.message
    assert warned(THRESHOLD, per_category=True) == []
    assert warned("name: a\ncategories: [{id: S15, name: Rivals, threshold: 0.3}]\n") == []


@pytest.mark.parametrize(
    "template", [one for one in TEMPLATES.values() if one.policy != "nothing"], ids=lambda t: t.name
)
def test_a_threshold_of_a_category_is_free_where_each_is_asked_about_alone(template: Template) -> None:
    letter = "S" if template.ids.fullmatch("S1") else "O"
    ids = [f"{letter}{number}" for number in range(1, 4)]
    categories = "".join(f"  - {{id: {id}, name: {id}, threshold: 0.3}}\n" for id in ids)
    codes = {code for _, code in warned(f"{ALONE}categories:\n{categories}", template.name)}
    assert ("taxonomy/per-category" in codes) is not template.asks_by_category


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ("shieldgemma", []),
        ("llama-guard-2", ["times the tokens: set one"]),
        ("llama-guard-3", ["times the tokens with a model that reads all of them in one prompt: set one"]),
    ],
)
def test_the_price_of_a_threshold_without_a_model(parent: str, expected: list[str]) -> None:
    first = Taxonomy.load(parent).categories[0].id
    text = f"{ALONE}extends: {parent}\ncategories: [{{id: {first}, threshold: 0.3}}]\n"
    warnings = policy_warnings_without_model(Taxonomy.from_yaml(text))
    assert len(warnings) == len(expected)
    assert all(part in warning.message for part, warning in zip(expected, warnings, strict=True))


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (f"{ALONE}categories: [{{id: M1, name: A}}]\n", ["cannot write M1: their ids are O and a number"]),
        (f"{ALONE}categories: [{{id: O1, name: A}}, {{id: S1, name: Violence}}]\n", []),
        (f"{EXTENDING}categories: [{{id: O1, name: A}}]\n", ["models of llama-guard-3-8b cannot write O1: their ids"]),
        (
            f"{ALONE}categories: [{{id: S1, name: Fraud}}]\n",
            ["llama-guard-3-8b were trained to write S1 for"],
        ),
    ],
)
def test_ids_without_a_model(text: str, messages: list[str]) -> None:
    warnings = policy_warnings_without_model(Taxonomy.from_yaml(text))
    assert len(warnings) == len(messages)
    assert all(part in warning.message for part, warning in zip(messages, warnings, strict=True))
