"""The schema for editors and the parser accept the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Taxonomy, bundled_taxonomies
from guardcli.taxonomy.json_schema import json_schema, json_schema_text

GOLDEN = Path(__file__).parents[1] / "golden" / "taxonomy.schema.json"
SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def is_valid(document: Any) -> bool:
    try:
        Taxonomy.from_yaml(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    except TaxonomyError:
        return False
    return True


def test_it_is_a_schema() -> None:
    draft = jsonschema.Draft7Validator
    assert list(draft(draft.META_SCHEMA).iter_errors(SCHEMA)) == []


@pytest.mark.parametrize("name", bundled_taxonomies())
def test_it_takes_the_bundled_taxonomies(name: str) -> None:
    with open(Taxonomy.load(name).location.path, encoding="utf-8") as file:
        assert list(VALIDATOR.iter_errors(yaml.safe_load(file))) == []


def test_the_schema_is_stable() -> None:
    """Users keep copies beside their policies. To accept a change, write `guard taxonomy schema` to it."""
    assert json_schema_text() == GOLDEN.read_text("utf-8")


# Texts of characters on which rules turn, without the prompt's markers, which only the parser knows.
text = st.text(st.sampled_from("aB1 .,\n\té:"), max_size=6)
odd = st.sampled_from([None, True, 3, 0.5, "x", [], {}, ["x"]])
number = st.sampled_from([0, 1, 0.25, -0.1, 1.5, True, "0.5", None])
ids = st.sampled_from(["S1", "S2", "S15", "O3", "s1", "S0", "S1000", "S 1", 1])


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value as it should be, and now and then any other."""
    return st.one_of(good, good, good, good, good, good, odd)


def some(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A mapping that mostly has what it needs, and now and then lacks a key or has one too many."""
    whole = st.fixed_dictionaries(required, optional=optional)
    loose = st.fixed_dictionaries({}, optional=required | optional | {"extra": odd})
    return st.one_of(whole, whole, whole, loose)


line = st.one_of(st.sampled_from(["Pets", "Two words"]), text)
lines = st.lists(line, max_size=2)
verdict = st.sampled_from(["safe", "unsafe", "Safe"])
example = some({"user": line, "verdict": verdict}, {"assistant": line})
category = some(
    {"id": ids, "name": line},
    {
        "key": st.one_of(st.sampled_from(["self-harm", "S9", "s9", " x ", "Safe", "-unsafe", "[]", "-"]), text),
        "description": text,
        "should_not": mostly(lines),
        "can": lines,
        "should": lines,
        "threshold": number,
        "examples": mostly(st.lists(example, max_size=2)),
    },
)
expected_categories = st.sampled_from([[], ["S1"], None])
message = some(
    {"role": st.sampled_from(["user", "assistant", "bot"]), "content": line},
    {"expect": verdict, "categories": expected_categories},
)
test_of_messages = some(
    {"name": line, "expect": verdict, "messages": mostly(st.lists(message, max_size=2))},
    {"prompt": line, "categories": expected_categories},
)
test_of_pair = some(
    {"name": line, "expect": verdict, "prompt": line},
    {"response": line, "categories": expected_categories, "todo": st.sampled_from([True, False, "x"])},
)
test = st.one_of(test_of_pair, test_of_messages)
taxonomy = some(
    {"name": line, "categories": mostly(st.lists(category, max_size=3))},
    {
        "extends": st.just("llama-guard-3"),
        "drop": st.sampled_from([[], ["S13"], ["S13", "S14"], "S13", ["s1"]]),
        "detail": st.sampled_from(["names", "full", "ful"]),
        "threshold": number,
        "description": text,
        "tests": mostly(st.lists(test, max_size=2)),
    },
)


def beyond_a_schema(document: Any) -> bool:
    """Whether a document breaks, or may break, a rule that no schema can say: what is unique, and what exists."""
    if not isinstance(document, dict):
        return False
    categories = (
        [c for c in document.get("categories") or () if isinstance(c, dict)]
        if isinstance(document.get("categories"), list)
        else []
    )
    named = [str(c.get("id")) for c in categories]
    keys = [str(c.get("key")).strip() for c in categories if "key" in c]
    tests = (
        [t for t in document.get("tests") or () if isinstance(t, dict)]
        if isinstance(document.get("tests"), list)
        else []
    )
    names = [str(t.get("name")).strip() for t in tests]
    conversations = [t["messages"] for t in tests if isinstance(t.get("messages"), list)]
    messages = [m for messages in conversations for m in messages if isinstance(m, dict)]
    inherited = "extends" in document
    return (
        len(set(named)) < len(named)
        or len(set(keys)) < len(keys)
        or len(set(names)) < len(names)
        or (inherited and any("name" not in c and c.get("id") not in ("S1", "S2") for c in categories))
        or (any(t.get("categories") for t in [*tests, *messages]) and not inherited and "S1" not in named)
        or any(isinstance(said[-1], dict) and "expect" in said[-1] for said in conversations if said)
    )  # fmt: skip


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(taxonomy)
def test_schema_and_parser_agree(document: Any) -> None:
    by_parser, by_schema = is_valid(document), VALIDATOR.is_valid(document)
    if by_parser:
        assert by_schema, list(VALIDATOR.iter_errors(document))
    elif by_schema:
        assert beyond_a_schema(document), yaml.safe_dump(document)
