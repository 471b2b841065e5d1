"""The bundled taxonomies against the prompts that the models were trained on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from guardcli.errors import TaxonomyError
from guardcli.prompts import TEMPLATES, policy_warnings
from guardcli.taxonomy import Category, Taxonomy, bundled_taxonomies

PROMPTS = Path(__file__).parents[1] / "golden/prompts"
GENERATIONS = {
    "llama-guard-1": "LlamaGuard-7b",
    "llama-guard-2": "Meta-Llama-Guard-2-8B",
    "llama-guard-3": "Llama-Guard-3-8B",
    "llama-guard-3-1b": "Llama-Guard-3-1B",
    "llama-guard-4": "Llama-Guard-4-12B",
}


def golden_block(model: str) -> str:
    """What the vendor's prompt has between the markers of the categories."""
    prompt = json.loads((PROMPTS / f"{model}.json").read_text())["cases"][0]["prompt"]
    found = re.search(r"<BEGIN UNSAFE CONTENT CATEGORIES>\n(.*)<END UNSAFE CONTENT CATEGORIES>", prompt, re.DOTALL)
    assert found is not None
    return re.sub(r" +$", "", found[1], flags=re.MULTILINE)  # stray spaces are the template's


def written_out(category: Category) -> str:
    bullets = {"Should not": category.should_not, "Can": category.can, "Should": category.should}
    lines = [f"{category.id}: {category.name}."]
    for heading, items in bullets.items():
        lines += [heading, *(f"- {item}" for item in items)] if items else []
    return "\n".join(lines) + "\n"


def test_names() -> None:
    assert bundled_taxonomies() == (
        "aegis-1",
        "dynaguard",
        "granite-guardian-3",
        "granite-guardian-3-rag",
        "granite-guardian-3.2",
        "granite-guardian-4.1",
        "granite-guardian-4.1-rag",
        "granite-guardian-4.1-tools",
        *GENERATIONS,
        "md-judge-0.1",
        "nemoguard",
        "openai-moderation",
        "perspective",
        "qwen3guard",
        "shieldgemma",
        "wildguard",
    )


@pytest.mark.parametrize("name", GENERATIONS)
def test_the_wording_is_that_of_the_golden_prompt(name: str) -> None:
    block = "".join(map(written_out, Taxonomy.load(name).categories))
    assert block == golden_block(GENERATIONS[name])


@pytest.mark.parametrize("name", bundled_taxonomies())
def test_the_file_says_what_it_is(name: str) -> None:
    taxonomy = Taxonomy.load(name)
    assert taxonomy.name == name == Path(taxonomy.location.path).stem
    by_name = {*GENERATIONS, "qwen3guard", "nemoguard", "wildguard"} - {"llama-guard-1"}
    assert taxonomy.detail == ("names" if name in by_name else "full")
    assert (taxonomy.threshold, taxonomy.tests) == (None, ())
    assert Path(taxonomy.location.path).read_text().startswith("# ")


@pytest.mark.parametrize("name", GENERATIONS)
def test_output_calls_a_category_of_llama_guard_by_its_id(name: str) -> None:
    assert all(category.label == category.id for category in Taxonomy.load(name).categories)


def test_the_labels_of_the_moderation_set() -> None:
    categories = Taxonomy.load("openai-moderation").categories
    assert {category.id: category.label for category in categories} == {
        "S1": "sexual",
        "S2": "hate",
        "S3": "violence",
        "S4": "harassment",
        "S5": "self-harm",
        "S6": "sexual/minors",
        "S7": "hate/threatening",
        "S8": "violence/graphic",
    }
    assert all(category.description for category in categories)


def test_the_names_of_perspective() -> None:
    categories = Taxonomy.load("perspective").categories
    names = "TOXICITY SEVERE_TOXICITY IDENTITY_ATTACK INSULT PROFANITY THREAT SEXUALLY_EXPLICIT"
    assert [category.label.upper() for category in categories] == names.split()
    assert all(category.description for category in categories)


@pytest.mark.parametrize("template", TEMPLATES)
def test_perspective_is_for_every_family_that_reads_policies_and_can_write_its_ids(template: str) -> None:
    taxonomy = Taxonomy.load("perspective")
    if TEMPLATES[template].policy == "nothing" or not TEMPLATES[template].ids.fullmatch("S15"):
        with pytest.raises(TaxonomyError, match=r"models of the template|cannot write S15"):
            TEMPLATES[template].check(taxonomy)
    else:
        TEMPLATES[template].check(taxonomy)
        assert policy_warnings(taxonomy, TEMPLATES[template]) == []
