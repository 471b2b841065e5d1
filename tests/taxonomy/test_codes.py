"""Each kind of problem that is no mere mistake has a code, which programs may rely on."""

from __future__ import annotations

import pytest

from guardcli.errors import CODES
from tests.taxonomy.broken import codes

EXAMPLES = {
    "taxonomy": ["threshold: 2\nname: a\nextends: llama-guard-3\n", 'name: "open\n', ""],
    "no-taxonomy": ["root:x\n", "secret: a\nname: b\n"],
    "too-large": ["name: [[[[[[[[[[[[[[[[[[[[[[", f"drop: [{'x, ' * 100_001}]\n"],
    "extends-outside": ["name: a\nextends: ../x.yaml\n"],
    "hidden-character": ['name: "a\\u200b"\nextends: llama-guard-3\n', 'name: "\\u202ea"\nextends: llama-guard-3\n'],
    "posing-letter": ["name: h\u0430te\nextends: llama-guard-3\n"],
    "prompt-marker": ["name: '[INST]'\nextends: llama-guard-3\n"],
    "key-reads-like-verdict": [
        "name: a\ncategories: [{id: S1, name: b, key: safe}]\n",
        "name: a\ncategories: [{id: S1, name: b, key: '-'}]\n",
    ],
}


@pytest.mark.parametrize("code", EXAMPLES)
def test_codes(code: str) -> None:
    assert [codes(text) for text in EXAMPLES[code]] == [[code]] * len(EXAMPLES[code])


def test_the_last_of_too_many() -> None:
    keys = "".join(f"x{number}: a\n" for number in range(101))
    assert codes(f"name: a\nextends: llama-guard-3\n{keys}") == ["taxonomy"] * 100 + ["too-many-problems"]


def test_every_code_is_here() -> None:
    assert {*EXAMPLES, "too-many-problems"} == set(CODES)
