"""Each kind of problem in a taxonomy has its code, which programs may rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardcli.errors import TAXONOMY_CODES, GuardError, TaxonomyError
from guardcli.prompts import TEMPLATES
from guardcli.taxonomy import Taxonomy
from tests.taxonomy.broken import codes

BASE = "name: a\nextends: llama-guard-3\n"

EXAMPLES = {
    "taxonomy/not-found": ["name: a\nextends: llama-gard-3\n", "name: a\nextends: ./none.yaml\n"],
    "taxonomy/not-yaml": [
        'name: "open\n',
        "a\0b",
        f"{BASE}---\nname: b\n",
        f"{BASE}description: *none\n",
        f"{BASE}description: !!binary YQ==\n",
        f"{BASE}<<: {{threshold: 0.1}}\n",
    ],
    "taxonomy/not-a-taxonomy": ["", "root:x\n", "secret: a\nname: b\n"],
    "taxonomy/too-large": ["name: [[[[[[[[[[[[[[[[[[[[[[", f"drop: [{'x, ' * 100_001}]\n"],
    "taxonomy/wrong-type": [f"{BASE}threshold: high\n", f"{BASE}drop: S1\n", f"{BASE}tests: 3\n"],
    "taxonomy/unknown-key": [f"{BASE}treshold: 0.5\n"],
    "taxonomy/missing-key": ["extends: llama-guard-3\n", "name: a\n", f"{BASE}categories: [{{id: S20}}]\n"],
    "taxonomy/duplicate-key": [f"{BASE}name: b\n"],
    "taxonomy/duplicate-id": [
        "name: a\ncategories: [{id: S1, name: b}, {id: S1, name: c}]\n",
        "name: a\ncategories: [{id: S1, name: b, key: x}, {id: S2, name: c, key: x}]\n",
        f"{BASE}tests: [{{name: b, prompt: c, expect: safe}}, {{name: b, prompt: d, expect: safe}}]\n",
    ],
    "taxonomy/invalid-value": [
        f"{BASE}threshold: 2\n",
        f"{BASE}detail: some\n",
        f"{BASE}categories: []\n",
        "name: a\ncategories: [{id: X-1, name: b}]\n",
    ],
    "taxonomy/invalid-text": ["name: ''\nextends: llama-guard-3\n", "name: a\ncategories: [{id: S1, name: 'b.'}]\n"],
    "taxonomy/hidden-character": [
        'name: "a\\u200b"\nextends: llama-guard-3\n',
        'name: "\\u202ea"\nextends: llama-guard-3\n',
    ],
    "taxonomy/lookalike-letter": ["name: h\u0430te\nextends: llama-guard-3\n"],
    "taxonomy/prompt-marker": ["name: '[INST]'\nextends: llama-guard-3\n"],
    "taxonomy/key-reads-like-verdict": [
        "name: a\ncategories: [{id: S1, name: b, key: safe}]\n",
        "name: a\ncategories: [{id: S1, name: b, key: '-'}]\n",
    ],
    "taxonomy/unknown-category": [
        f"{BASE}drop: [S99]\n",
        f"{BASE}tests: [{{name: b, prompt: c, expect: unsafe, categories: [S99]}}]\n",
    ],
    "taxonomy/contradiction": [
        f"{BASE}drop: [S1]\ncategories: [{{id: S1, name: b}}]\n",
        f"{BASE}tests: [{{name: b, prompt: c, expect: safe, categories: [S1]}}]\n",
    ],
    "taxonomy/extends-outside": ["name: a\nextends: ../x.yaml\n"],
}


@pytest.mark.parametrize("code", EXAMPLES)
def test_codes(code: str) -> None:
    assert [codes(text) for text in EXAMPLES[code]] == [[code]] * len(EXAMPLES[code])


def test_the_last_of_too_many() -> None:
    keys = "".join(f"x{number}: a\n" for number in range(101))
    assert codes(f"{BASE}{keys}") == ["taxonomy/unknown-key"] * 100 + ["taxonomy/too-many-problems"]


def test_a_file_that_extends_itself(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("name: a\nextends: ./t.yaml\n")
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.load(path)
    assert [(p.line, p.column, p.code) for p in caught.value.problems] == [(2, 10, "taxonomy/extends-loop")]


@pytest.mark.parametrize("content", [None, b"\xff\xfen\0", b"name: \xff\n"])
def test_a_file_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.load(path)
    assert [p.code for p in caught.value.problems] == ["taxonomy/unreadable"]


def test_a_name_that_is_not_bundled() -> None:
    with pytest.raises(GuardError) as caught:
        Taxonomy.load("llama-gard-3")
    assert caught.value.code == "taxonomy/not-found"


def test_ids_that_a_template_cannot_write() -> None:
    with pytest.raises(TaxonomyError) as caught:
        TEMPLATES["llama-guard-3-8b"].check(Taxonomy.load("llama-guard-1"))
    assert [p.code for p in caught.value.problems] == ["taxonomy/not-for-model"]


def test_every_code_is_here() -> None:
    warnings = {"taxonomy/description-not-read", "taxonomy/id-of-other-category", "taxonomy/per-category"}
    others = {
        *warnings,  # tests/prompts/test_policy_warnings.py
        "taxonomy/too-many-problems",
        "taxonomy/extends-loop",
        "taxonomy/unreadable",
        "taxonomy/not-for-model",
    }
    assert {*EXAMPLES, *others} == set(TAXONOMY_CODES)
