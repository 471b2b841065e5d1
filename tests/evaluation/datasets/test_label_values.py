"""Values of labeled data: what is missing, what is a number, and lists and objects that came as text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.evaluation.datasets.label_values import (
    Bound,
    is_empty,
    is_missing,
    parse_names,
    parse_structure,
    parse_unsafe,
)

NAMES = st.lists(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1).filter(str.strip), max_size=5)


@pytest.mark.parametrize(
    "value",
    [
        *(None, float("nan"), -float("nan")),
        *("", " ", "NaN", "nan", "-nan", "NA", "N/A", "n/a", "<NA>", "NaT", "null", "NULL", "None", " none ", "nil"),
        *("-", "--", "\u2013", "\u2014", "?", "#N/A", "1.#QNAN"),
    ],
)
def test_missing(value: Any) -> None:
    assert is_missing(value)
    assert is_empty(value) is not isinstance(value, str)


@pytest.mark.parametrize("value", [0, 0.0, False, "0", "no", "safe", "unknown", "nano", float("inf"), [], {}, [None]])
def test_not_missing(value: Any) -> None:
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('["S9", "S1"]', ["S9", "S1"]),
        ("['S9', 'S1']", ["S9", "S1"]),
        ("['S9' 'S1']", ["S9", "S1"]),  # numpy; Python alone would join the two
        ("['S9'\n 'S1']", ["S9", "S1"]),
        ("('S9', 'S1')", ["S9", "S1"]),
        ("('S9',)", ["S9"]),
        ("{'S9', 'S1'}", ["S1", "S9"]),
        ("[S9, S1]", ["S9", "S1"]),
        ("[S9; S1]", ["S9", "S1"]),
        ("[]", []),
        ("[ ]", []),
        ("()", []),
        ("set()", []),
        ("[None, 'S1', nan]", [None, "S1", None]),
        ("['it\\'s', \"nan null\"]", ["it's", "nan null"]),
        ('{"hate": true, "x": null}', {"hate": True, "x": None}),
        ("{'hate': True, 'x': nan}", {"hate": True, "x": None}),
        ("{}", {}),
        ("S9, S1", "S9, S1"),
        ("(S1) Violent Crimes", "(S1) Violent Crimes"),
        ("[NSFW] porn", "[NSFW] porn"),
        ("", ""),
    ],
)
def test_lists_and_objects_that_came_as_text(text: str, found: Any) -> None:
    assert parse_structure(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "['S9', 'S1]",
        "['S9', 'S1",
        "('S9', ",
        "{'S9', ",
        "[S9, 'S1']",
        "{'hate': True, }, }",
        "[__import__('os').getcwd()]",
        "{'a': [}",
        "[" * 3000 + "]" * 3000,
        "['" + "x" * 20_000 + "']",
        "[1 +" * 200 + "]",
    ],
)
def test_what_looks_like_a_list_and_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="looks like a list or an object, and cannot be read") as error:
        parse_structure(text)
    assert len(str(error.value)) < 200


@given(NAMES)
def test_a_list_is_the_same_as_json_and_as_python_wrote_it(found: list[str]) -> None:
    assert parse_structure(json.dumps(found)) == parse_structure(repr(found)) == found


@given(st.text(alphabet="[](){}'\", \\nanS1;|:True"))
def test_no_text_is_more_than_unreadable(text: str) -> None:
    try:
        found = parse_structure(text)
    except ValueError:
        return
    assert isinstance(found, (str, list, dict))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("S9, S1", ["S9", "S1"]),
        ("S9; S1", ["S9", "S1"]),
        ("S9|S1", ["S9", "S1"]),
        ("Hate, Threats; Guns, Drugs", ["Hate, Threats", "Guns, Drugs"]),  # commas are in the names
        ("S9", ["S9"]),
        (9, ["9"]),
        (9.0, ["9"]),
        (["S9", None, float("nan"), "N/A", "safe", " S1 "], ["S9", "S1"]),
        ("safe", []),
        ("S9,,-", ["S9"]),
        ([{"x": 1}], None),
        ([True, False], None),
        ([0.5], None),
        (True, None),
        ({"S9": True}, None),
    ],
)
def test_names_in_a_list(value: Any, found: list[str] | None) -> None:
    assert parse_names(value) == found


@pytest.mark.parametrize(
    ("value", "unsafe", "inverted"),
    [
        (True, True, False),
        ("yes", True, False),
        (1.0, True, False),
        ("0.0", False, True),
        ("unsafe", True, True),  # a word means the same everywhere
        ("benign", False, False),
    ],
)
def test_words_keep_their_meaning_and_truth_values_follow_the_field(value: Any, unsafe: bool, inverted: bool) -> None:
    assert parse_unsafe(value, "label") is unsafe
    assert parse_unsafe(value, "is_safe", true_is_safe=True) is inverted


@pytest.mark.parametrize(
    ("value", "safe_field", "advice"),
    [
        (0.82, False, 'its x is 0.82, a fraction: give the value from which it means unsafe, such as '
                      'FieldSpec(label=LabelField.parse("x>=0.5"))'),
        ("0.5", True, "its x is '0.5', a fraction: give the value from which it means unsafe, such as "
                      'FieldSpec(label=LabelField.parse("x<0.5"))'),
        (3, False, "its x is 3, which is neither safe nor unsafe: give the value from which it means unsafe, such as "
                   'FieldSpec(label=LabelField.parse("x>=3")), or name the unsafe values with '
                   'FieldSpec(label=LabelField.parse("x=VALUE,VALUE"))'),
        ("bad", False, "its x is 'bad', which is neither safe nor unsafe: write one of these, or name the unsafe "
                       'values with FieldSpec(label=LabelField.parse("x=VALUE,VALUE"))'),
    ],
)  # fmt: skip
def test_an_unclear_label_says_what_to_write(value: Any, safe_field: bool, advice: str) -> None:
    with pytest.raises(ValueError, match="its x is") as error:
        parse_unsafe(value, "x", true_is_safe=safe_field)
    assert str(error.value) == advice


@pytest.mark.parametrize(
    ("bound", "unsafe"),
    [(">=", [0.5, 0.7]), (">", [0.7]), ("<=", [0.2, 0.5]), ("<", [0.2])],
)
def test_bounds(bound: Any, unsafe: list[float]) -> None:
    values = [0.2, 0.5, 0.7]
    assert [value for value in values if Bound(bound, 0.5).includes(value, "x")] == unsafe
    assert [value for value in values if Bound(bound, 0.5).includes(f" {value} ", "x")] == unsafe


@pytest.mark.parametrize("value", [True, "high", "0,7", "70%", float("inf"), 10**400, [0.7], {}])
def test_a_bound_needs_a_number(value: Any) -> None:
    with pytest.raises(ValueError, match=r"which is not a number: a bound \(x>=0\.5\) needs numbers"):
        Bound(">=", 0.5).includes(value, "x")
