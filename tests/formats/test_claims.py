"""Values and texts at the paths that options name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.conversation import Json
from guardcli.formats.claims import Claims, has_value_at


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"meta": {"note": "said"}}, True),
        ({"meta": [{"other": 1}, {"note": "said"}]}, True),
        ({"meta": [[{"note": "said"}]]}, True),
        ({"meta": json.dumps({"note": "said"})}, True),
        ({"meta": {"note": 0}}, True),
        ({"meta": {"note": None}}, False),
        ({"meta": {}}, False),
        ({"meta": "note"}, False),
        ({"note": "said"}, False),
        ({}, False),
    ],
)
def test_has_value_at(value: Json, expected: bool) -> None:
    assert has_value_at(value, ("meta", "note")) is expected


leaf = st.sampled_from([None, 0, "", "said", '{"a": {"b": "said"}}', '[{"b": "said"}]', "{"])
tree = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner))


@given(tree, st.lists(st.sampled_from("ab"), min_size=1, max_size=3))
def test_no_text_is_claimed_where_there_is_no_value(value: Json, names: list[str]) -> None:
    if Claims().claim_texts(value, names):
        assert has_value_at(value, names)
