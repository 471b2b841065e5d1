"""What changes a digest, and what does not."""

from __future__ import annotations

import dataclasses

import pytest

from guardcli.taxonomy import Taxonomy

TEXT = """\
name: acme
detail: full
threshold: 0.5
categories:
  - id: S1
    name: Hate
    key: hate
    description: Contempt.
    should_not: [Insult.]
    can: [Explain.]
    should: [Calm.]
    threshold: 0.3
    examples: [{user: Hi, assistant: Ho, verdict: safe}]
  - id: S2
    name: Crimes
"""


def digests(text: str) -> tuple[str, str]:
    taxonomy = Taxonomy.from_yaml(text)
    return taxonomy.prompt_digest, taxonomy.decision_digest


def changed(old: str, new: str, text: str = TEXT) -> tuple[bool, bool]:
    assert old in text
    (prompt, decision), (new_prompt, new_decision) = digests(text), digests(text.replace(old, new))
    return prompt != new_prompt, decision != new_decision


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: acme", "name: acme2"),
        ("name: acme", "# why\nname: acme  # because"),
        ("name: acme", "name: acme\ndescription: for people"),
        ("name: acme", "name: acme\ntests: [{name: t, prompt: p, expect: safe}]"),
        ("[Insult.]", "\n      - >-\n        Insult."),
        ("threshold: 0.5", "threshold: 5.0e-1"),
    ],
)
def test_what_neither_model_nor_decision_sees(old: str, new: str) -> None:
    assert changed(old, new) == (False, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: Hate", "name: Hatred"),
        ("id: S2", "id: S3"),
        ("detail: full", "detail: names"),
        ("Contempt.", "Disdain."),
        ("Insult.", "Swear."),
        ("Explain.", "Discuss."),
        ("Calm.", "Rest."),
        ("user: Hi", "user: Hey"),
        ("assistant: Ho, ", ""),
        ("verdict: safe", "verdict: unsafe"),
        ("can: [", "should: ["),
    ],
)
def test_what_the_model_reads(old: str, new: str) -> None:
    text = TEXT.replace("    should: [Calm.]\n", "") if old == "can: [" else TEXT
    assert changed(old, new, text) == (True, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("threshold: 0.5", "threshold: 0.6"),
        ("threshold: 0.5\n", ""),
        ("threshold: 0.3", "threshold: 0.4"),
        ("    threshold: 0.3\n", ""),
        ("key: hate", "key: hatred"),
        ("name: Crimes", "name: Crimes\n    key: crimes"),
    ],
)
def test_what_decides(old: str, new: str) -> None:
    assert changed(old, new) == (False, True)


@pytest.mark.parametrize("old", ["Contempt.", "Insult.", "Explain.", "Calm."])
def test_definitions_are_not_read_with_names_alone(old: str) -> None:
    assert changed(old, "Other.", TEXT.replace("full", "names")) == (False, False)


def test_examples_are_read_with_names_alone() -> None:
    assert changed("user: Hi", "user: Hey", TEXT.replace("full", "names")) == (True, False)


def test_order_is_read_and_decides_nothing() -> None:
    taxonomy = Taxonomy.from_yaml(TEXT)
    turned = dataclasses.replace(taxonomy, categories=taxonomy.categories[::-1])
    assert turned.prompt_digest != taxonomy.prompt_digest
    assert turned.decision_digest == taxonomy.decision_digest


def test_the_digests_of_a_bundled_taxonomy_are_stable() -> None:
    """They are in stored verdicts: a change here invalidates the scores of every user."""
    taxonomy = Taxonomy.load("llama-guard-3")
    assert (taxonomy.prompt_digest, taxonomy.decision_digest) == ("6c2a66d22e86e27a", "7a8ffe3f52c4d642")


def test_the_same_prompt_has_the_same_digest_under_another_name() -> None:
    assert Taxonomy.load("llama-guard-4").prompt_digest == Taxonomy.load("llama-guard-3").prompt_digest
