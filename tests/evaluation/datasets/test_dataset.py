"""Labels where anyone may have put them, in the words that anyone may use."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from guardcli.errors import InputError
from guardcli.evaluation.datasets import Bound, Label, Truth, Where
from tests.evaluation.datasets.reading import labelled, said, truths

CHAT = [
    {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "unsafe"),
    [
        ({"label": "unsafe"}, True),
        ({"label": "safe"}, False),
        ({"label": "Harmful"}, True),
        ({"label": 1}, True),
        ({"label": 0.0}, False),
        ({"unsafe": True}, True),
        ({"is_safe": True}, False),
        ({"safe": "false"}, True),
        ({"toxicity": 0}, False),
        ({"harmful": "no"}, False),
        ({"flagged": False}, False),
        ({"label": None, "toxic": "1"}, True),
        ({"label": "", "toxic": "1.0"}, True),
        ({"label": "0.0"}, False),
        ({"label": float("nan"), "toxic": "no"}, False),
        ({"label": "N/A", "is_safe": False}, True),
        ({"is_safe": "unsafe"}, True),
        ({"safe": "safe"}, False),
        ({"categories": {"S1": False, "S2": True}}, True),
        ({"categories": {"S1": 0, "S2": None}}, False),
        ({"categories": {"S1": 1, "S2": float("nan")}}, True),
        ({"categories": "{'S1': False, 'S2': True}"}, True),
        ({"categories": '{"S1": false, "S2": null}'}, False),
    ],
)
def test_what_a_label_is(fields: dict[str, Any], unsafe: bool) -> None:
    assert truths(labelled({"prompt": "hi", **fields})) == [unsafe]


@pytest.mark.parametrize(
    ("where", "fields", "unsafe"),
    [
        (Label("human.verdict"), {"human": {"verdict": "unsafe"}, "label": "safe"}, True),
        (Label("grade", ("bad", "3")), {"grade": "bad"}, True),
        (Label("grade", ("bad", "3")), {"grade": 3}, True),
        (Label("grade", ("bad", "3")), {"grade": "fine"}, False),
        (Label("flagged", ("True",)), {"flagged": True}, True),
        (Label("grade", ("3.0",)), {"grade": " 3 "}, True),
        (Label("grade", ("none", "bad")), {"grade": "None"}, True),  # named, so it is a value
        (Label("grade", ("0.25", "0.5")), {"grade": 0.25}, True),
        (Label("grade", ("0.25", "0.5")), {"grade": 0.75}, False),
        (Label("is_safe"), {"is_safe": True}, False),
        (Label("human.is_safe"), {"human": {"is_safe": "no"}}, True),
        (Label("toxicity", bound=Bound(">=", 0.5)), {"toxicity": 0.5}, True),
        (Label("toxicity", bound=Bound(">", 0.5)), {"toxicity": "0.5"}, False),
        (Label("scores.toxic", bound=Bound(">", 2)), {"scores": {"toxic": 3}}, True),
        (Label("is_safe", bound=Bound("<", 0.5)), {"is_safe": 0.1}, True),
    ],
)
def test_where_a_label_is_said_to_be(where: Label, fields: dict[str, Any], unsafe: bool) -> None:
    assert truths(labelled({"prompt": "hi", **fields}, where=Where(where))) == [unsafe]


def test_a_record_without_a_label_is_left_out_and_counted() -> None:
    found = labelled({"prompt": "a"}, {"prompt": "b", "label": "safe"}, {"prompt": "c", "label": None})
    assert (said(found), found.left_out) == ([[("user", "b")]], Counter({"without a label": 2}))


@pytest.mark.parametrize("value", [None, float("nan"), "NaN", "", " ", "NA", "N/A", "null", "None", "<NA>", "-", "?"])
@pytest.mark.parametrize(
    "where",
    [None, Label("label"), Label("label", ("1",)), Label("label", bound=Bound("<=", 0.5)), Label("label", ("bad",))],
)
def test_a_label_that_is_missing_is_neither_safe_nor_an_error(value: Any, where: Label | None) -> None:
    found = labelled({"prompt": "a", "label": value}, {"prompt": "b", "label": 1}, where=Where(where))
    assert (len(found.items), found.left_out) == (1, Counter({"without a label": 1}))


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (Label("x", ("1",)), 0.82, 'its x is 0.82, a fraction: .* --label-field "x>=0.5"'),
        (Label("x", ("1",)), "0.3", "its x is '0.3', a fraction"),
        (Label("is_safe", ("0",)), 0.3, 'its is_safe is 0.3, a fraction: .* --label-field "is_safe<0.5"'),
        (Label("x", ("bad",)), ["bad"], r"its x is \['bad'\], and one value is expected"),
        (Label("x", ("bad",)), {"bad": 1}, r"its x is \{'bad': 1\}, and one value is expected"),
        (Label("x", bound=Bound(">=", 0.5)), "high", r"its x is 'high', which is not a number: a bound \(x>=0.5\)"),
        (Label("x", bound=Bound(">=", 0.5)), True, "its x is True, which is not a number"),
    ],
)
def test_a_value_that_the_stated_condition_does_not_fit_is_never_safe(where: Label, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^set.jsonl:1: {message}"):
        labelled({"prompt": "a", where.path: value}, where=Where(where))


def test_labels_of_zeros_and_ones_are_words_and_the_first_fraction_ends_the_run() -> None:
    binary = [{"prompt": "a", "toxicity": value} for value in (0, 1, 0.0, 1.0, "0.0", "1")]
    assert truths(labelled(*binary)) == [False, True, False, True, False, True]
    with pytest.raises(InputError, match=r'^set.jsonl:7: its toxicity is 0.25, a fraction: .*"toxicity>=0.5"$'):
        labelled(*binary, {"prompt": "a", "toxicity": 0.25}, {"prompt": "a", "toxicity": 0.5})
    fractions = [*binary, {"prompt": "a", "toxicity": 0.25}, {"prompt": "a", "toxicity": 0.5}]
    bound = Where(Label("toxicity", bound=Bound(">=", 0.5)))
    assert truths(labelled(*fractions, where=bound)) == [False, True, False, True, False, True, False, True]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            Where(Label("lable", ("1",))),
            "--label-field: no record has the field lable; the first record has prompt, la",
        ),
        (
            Where(categories="kind"),
            "--category-field: no record has the field kind; the first record has prompt, label",
        ),
    ],
)
def test_a_field_that_no_record_has_is_an_error_and_one_that_some_have_is_fine(where: Where, message: str) -> None:
    records = [{"prompt": "a", "label": 1}, {"prompt": "b", "label": 0}]
    with pytest.raises(InputError, match=f"^{message}"):
        labelled(*records, where=where)
    assert len(labelled(*records, {"prompt": "c", "lable": 1, "kind": "S1", "label": 1}, where=where).items) > 0
    assert labelled(where=where).items == ()  # of no records there is more to tell


@pytest.mark.parametrize(
    "fields",
    [
        {"label": "maybe"},
        {"toxicity": 0.7},
        {"label": float("inf")},
        {"categories": True},
        {"categories": {"S1": 0.7}},
        {"categories": "['S1"},
        {"categories": "['S1', S2]"},
        {"label": ["unsafe"]},
        {"categories": [{"x": 1}]},
    ],
)
def test_a_word_that_is_no_label_ends_the_run_at_its_place(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^set.jsonl:2: its (label|toxicity|categories)"):
        labelled({"prompt": "a", "label": "safe"}, {"prompt": "b", **fields})


@pytest.mark.parametrize(
    ("target", "heard"), [("prompt", "abc"), ("response", "abcd"), (None, "abcd"), ("something", "abcd")]
)
def test_a_conversation_ends_with_what_the_label_is_about(target: str | None, heard: str) -> None:
    found = labelled({"messages": CHAT, "label": "safe", "target": target})
    assert "".join(text for _, text in said(found)[0]) == heard
    assert found.items[0].text == heard[-1]


@pytest.mark.parametrize(
    ("about", "cut", "heard"), [("assistant", True, "abcd"), ("user", True, "abc"), (None, False, "abcd")]
)
def test_what_is_asked_for_outranks_what_the_record_says(about: Any, cut: bool, heard: str) -> None:
    found = labelled({"messages": CHAT, "label": "safe", "target": "prompt"}, about=about, cut=cut)
    assert "".join(text for _, text in said(found)[0]) == heard


def test_an_empty_label_is_none() -> None:
    found = labelled(
        {"prompt": "a", "grade": ""}, {"prompt": "b", "grade": "bad"}, where=Where(Label("grade", ("bad",)))
    )
    assert (truths(found), found.left_out) == ([True], Counter({"without a label": 1}))


def test_a_record_that_cannot_be_read_stays_an_item_with_its_label() -> None:
    (item,) = labelled({"messages": "none", "label": "unsafe"}).items
    assert item.unsafe
    assert item.text is None


@pytest.mark.parametrize(
    ("fields", "truth"),
    [
        ({"categories": ["S1", " S2 "]}, Truth(True, {"S1": True, "S2": True})),
        ({"violated_categories": "Violence, Threat"}, Truth(True, {"Violence": True, "Threat": True})),
        ({"category": "none"}, Truth(True, {})),
        ({"category": float("nan")}, Truth(True, {})),
        ({"categories": "N/A", "category": "S1"}, Truth(True, {"S1": True})),
        ({"categories": '["S9", "S1"]'}, Truth(True, {"S9": True, "S1": True})),
        ({"categories": "['S1']"}, Truth(True, {"S1": True})),
        ({"categories": "S9;S1"}, Truth(True, {"S9": True, "S1": True})),
        ({"categories": "S9 | S1"}, Truth(True, {"S9": True, "S1": True})),
        ({"categories": "[]"}, Truth(True, {})),
        ({"categories": ["S1", None]}, Truth(True, {"S1": True})),
        ({"categories": "{'a': True, 'b': nan}"}, Truth(True, {"a": True}, listed=False)),
        ({"categories": {"a": True, "b": "NA"}}, Truth(True, {"a": True}, listed=False)),
        ({"categories": {"a": True, "b": False}}, Truth(True, {"a": True, "b": False}, listed=False)),
    ],
)
def test_what_categories_are(fields: dict[str, Any], truth: Truth) -> None:
    assert labelled({"prompt": "hi", "label": "unsafe", **fields}).items[0].truth == truth


def test_where_categories_are_said_to_be() -> None:
    found = labelled({"prompt": "hi", "label": 1, "x": {"y": ["S3"]}}, where=Where(categories="x.y"))
    assert found.items[0].truth.flags == {"S3": True}


def test_categories_with_scores_need_a_bound() -> None:
    record = {"prompt": "hi", "x": {"hate": 0.8, "violence": 0.1, "sexual": None}}
    with pytest.raises(InputError, match=r'its x.hate is 0.8, which is neither .* --category-field "x>=0.5"$'):
        labelled(record, where=Where(categories="x"))
    where = Where(categories="x", category_bound=Bound(">=", 0.5))
    assert labelled(record, where=where).items[0].truth == Truth(True, {"hate": True, "violence": False}, listed=False)
    with pytest.raises(InputError, match=r"its x\.hate is 'much', which is not a number"):
        labelled({"prompt": "hi", "x": {"hate": "much"}}, where=where)
    with pytest.raises(InputError, match=r"its x is a list of names: a bound \(x>=0.5\) needs an object of numbers"):
        labelled({"prompt": "hi", "x": ["hate"]}, where=where)


@pytest.mark.parametrize(
    ("truth", "names", "holds"),
    [
        (Truth(True, {"a": True}), ["a"], True),
        (Truth(True, {"a": True}), ["b"], False),
        (Truth(True, {}), ["a"], None),
        (Truth(False, {}), ["a"], False),
        (Truth(False, {"a": True}), ["a"], False),
        (Truth(True, {"a": True}, listed=False), ["a", "b"], True),
        (Truth(True, {"a": False}, listed=False), ["a"], False),
        (Truth(True, {"a": False}, listed=False), ["a", "b"], None),
        (Truth(False, {}, listed=False), ["a"], None),
        (Truth(False, {"b": False}, listed=False), ["a"], None),
    ],
)
def test_a_flag_that_is_missing_is_not_annotated_and_never_negative(
    truth: Truth, names: list[str], holds: bool | None
) -> None:
    assert truth.holds(names) is holds


def test_the_data_set_is_named_by_the_record_or_by_the_file() -> None:
    found = labelled({"prompt": "a", "label": 1, "source": "mine"}, {"prompt": "b", "label": 1}, source="x/y.jsonl.gz")
    assert [item.groups for item in found.items] == [("mine", "y"), ("y",)]
