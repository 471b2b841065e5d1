"""Labels where anyone may have put them, in the words that anyone may use."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from guardcli.errors import InputError
from guardcli.labels import Label, Truth, Where
from tests.labels.reading import labelled, said, truths

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
        ({"categories": {"S1": False, "S2": True}}, True),
        ({"categories": {"S1": 0, "S2": None}}, False),
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
    ],
)
def test_where_a_label_is_said_to_be(where: Label, fields: dict[str, Any], unsafe: bool) -> None:
    assert truths(labelled({"prompt": "hi", **fields}, where=Where(where))) == [unsafe]


def test_a_record_without_a_label_is_left_out_and_counted() -> None:
    found = labelled({"prompt": "a"}, {"prompt": "b", "label": "safe"}, {"prompt": "c", "label": None})
    assert (said(found), found.left_out) == ([[("user", "b")]], Counter({"without a label": 2}))


@pytest.mark.parametrize(
    "fields",
    [
        {"label": "maybe"},
        {"toxicity": 0.7},
        {"label": float("inf")},
        {"label": float("nan")},
        {"label": ["unsafe"]},
        {"categories": [{"x": 1}]},
    ],
)
def test_a_word_that_is_no_label_ends_the_run_at_its_place(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^set.jsonl:2: its (label|toxicity|categories) is"):
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
        ({"categories": {"a": True, "b": False}}, Truth(True, {"a": True, "b": False}, listed=False)),
    ],
)
def test_what_categories_are(fields: dict[str, Any], truth: Truth) -> None:
    assert labelled({"prompt": "hi", "label": "unsafe", **fields}).items[0].truth == truth


def test_where_categories_are_said_to_be() -> None:
    found = labelled({"prompt": "hi", "label": 1, "x": {"y": ["S3"]}}, where=Where(categories="x.y"))
    assert found.items[0].truth.flags == {"S3": True}


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
