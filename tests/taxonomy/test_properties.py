"""Whatever a file holds: a Taxonomy, or a TaxonomyError with places that are in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Taxonomy, bundled_taxonomies

TAXONOMIES = {name: Path(Taxonomy.load(name).location.path) for name in bundled_taxonomies()}
KEYS = "name extends drop detail threshold categories tests id key description can examples user verdict expect"
YAML = [
    "\n",
    "\n  ",
    "\n  - ",
    "\n    ",
    ": ",
    "- ",
    ", ",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "# ",
    "| ",
    ">-\n ",
    "\t",
]
ODD = [
    "&a ",
    "*a",
    "!!int ",
    "!x ",
    "<<: ",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    '"\\U00110000"',
    "\ufeff",
    "\x85",
]
VALUES = [
    "S1",
    "O3",
    "no",
    "~",
    "1e-3",
    "1:30",
    ".nan",
    "2024-01-31",
    "full",
    "unsafe",
    "llama-guard-3",
    "./x",
    "é",
]

fragments = st.sampled_from([f"{key}: " for key in KEYS.split()] + YAML + ODD + VALUES) | st.text(max_size=3)
yamlish = st.lists(fragments, max_size=40).map("".join)


def outcome(text: str, path: Path) -> Taxonomy | TaxonomyError:
    try:
        return Taxonomy.from_yaml(text, str(path))
    except TaxonomyError as error:
        return error


def check(text: str, path: Path) -> None:
    found = outcome(text, path)
    if isinstance(found, TaxonomyError):
        lines = len(text.splitlines()) + 1
        assert found.problems
        assert all(1 <= p.line <= lines and p.column >= 1 for p in found.problems if p.path == str(path))
        assert all(line.isprintable() for line in str(found).split("\n"))
    else:
        ids = {category.id for category in found.categories}
        assert ids
        assert len({category.label for category in found.categories}) == len(ids) == len(found.categories)
        assert all(category.name for category in found.categories)
        assert all(ids.issuperset(test.categories) for test in found.tests)


@settings(max_examples=800, deadline=None)
@given(yamlish)
@example("=: =")
@example("name: !!float x:1")
@example("? !!binary =\n: &a\n*a : *a")
def test_yamlish_text(text: str) -> None:
    check(text, Path("t.yaml"))


@settings(max_examples=800, deadline=None)
@given(st.text())
def test_any_text(text: str) -> None:
    check(text, Path("t.yaml"))


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(TAXONOMIES)), st.data())
def test_bundled_files_with_a_piece_replaced(name: str, data: st.DataObject) -> None:
    path = TAXONOMIES[name]
    text = path.read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    check(text[:start] + data.draw(yamlish) + text[end:], path)
