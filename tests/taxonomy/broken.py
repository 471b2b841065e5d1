"""What is wrong with a text, as its author would read it."""

from __future__ import annotations

import pytest

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Taxonomy

WHOLE = "name: a\ncategories:\n  - {id: S1, name: Hate}\n"  # three lines: what a test adds begins in line 4


def complaints(text: str, path: str = "t.yaml") -> list[str]:
    """`line:column: message` of every problem, in the order in which they are reported."""
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.from_yaml(text, path)
    assert {problem.path for problem in caught.value.problems} == {path}
    return [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems]


def codes(text: str) -> list[str]:
    """The codes of the problems, in the same order."""
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.from_yaml(text)
    return [problem.code for problem in caught.value.problems]
