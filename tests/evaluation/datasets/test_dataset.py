"""Labels where anyone may have put them, in the words that anyone may use."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from guardcli.errors import InputError
from guardcli.evaluation.datasets import Bound, FieldSpec, GroundTruth, LabelField
from tests.evaluation.datasets.labeled import judged_messages, labeled, labels

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
    assert labels(labeled({"prompt": "hi", **fields})) == [unsafe]


@pytest.mark.parametrize(
    ("label_field", "fields", "unsafe"),
    [
        (LabelField("human.verdict"), {"human": {"verdict": "unsafe"}, "label": "safe"}, True),
        (LabelField("grade", ("bad", "3")), {"grade": "bad"}, True),
        (LabelField("grade", ("bad", "3")), {"grade": 3}, True),
        (LabelField("grade", ("bad", "3")), {"grade": "fine"}, False),
        (LabelField("flagged", ("True",)), {"flagged": True}, True),
        (LabelField("grade", ("3.0",)), {"grade": " 3 "}, True),
        (LabelField("grade", ("none", "bad")), {"grade": "None"}, True),  # named, so it is a value
        (LabelField("grade", ("0.25", "0.5")), {"grade": 0.25}, True),
        (LabelField("grade", ("0.25", "0.5")), {"grade": 0.75}, False),
        (LabelField("is_safe"), {"is_safe": True}, False),
        (LabelField("human.is_safe"), {"human": {"is_safe": "no"}}, True),
        (LabelField("toxicity", bound=Bound(">=", 0.5)), {"toxicity": 0.5}, True),
        (LabelField("toxicity", bound=Bound(">", 0.5)), {"toxicity": "0.5"}, False),
        (LabelField("scores.toxic", bound=Bound(">", 2)), {"scores": {"toxic": 3}}, True),
        (LabelField("is_safe", bound=Bound("<", 0.5)), {"is_safe": 0.1}, True),
    ],
)
def test_where_a_label_is_said_to_be(label_field: LabelField, fields: dict[str, Any], unsafe: bool) -> None:
    assert labels(labeled({"prompt": "hi", **fields}, field_spec=FieldSpec(label=label_field))) == [unsafe]


def test_a_record_without_a_label_is_left_out_and_counted() -> None:
    dataset = labeled({"prompt": "a"}, {"prompt": "b", "label": "safe"}, {"prompt": "c", "label": None})
    assert (judged_messages(dataset), dataset.left_out) == ([[("user", "b")]], Counter({"without a label": 2}))


@pytest.mark.parametrize("value", [None, float("nan"), "NaN", "", " ", "NA", "N/A", "null", "None", "<NA>", "-", "?"])
@pytest.mark.parametrize(
    "label_field",
    [
        None,
        LabelField("label"),
        LabelField("label", ("1",)),
        LabelField("label", bound=Bound("<=", 0.5)),
        LabelField("label", ("bad",)),
    ],
)
def test_a_label_that_is_missing_is_neither_safe_nor_an_error(value: Any, label_field: LabelField | None) -> None:
    dataset = labeled(
        {"prompt": "a", "label": value}, {"prompt": "b", "label": 1}, field_spec=FieldSpec(label=label_field)
    )
    assert (len(dataset.samples), dataset.left_out) == (1, Counter({"without a label": 1}))


@pytest.mark.parametrize(
    ("label_field", "value", "message"),
    [
        (LabelField("x", ("1",)), 0.82, r'its x is 0.82, a fraction: .*LabelField.parse\("x>=0.5"'),
        (LabelField("x", ("1",)), "0.3", "its x is '0.3', a fraction"),
        (LabelField("is_safe", ("0",)), 0.3, r'its is_safe is 0.3, a fraction: .*LabelField.parse\("is_safe<0.5"'),
        (LabelField("x", ("bad",)), ["bad"], r"its x is \['bad'\], expected one value"),
        (LabelField("x", ("bad",)), {"bad": 1}, r"its x is \{'bad': 1\}, expected one value"),
        (
            LabelField("x", bound=Bound(">=", 0.5)),
            "high",
            r"its x is 'high', which is not a number: a bound \(x>=0.5\)",
        ),
        (LabelField("x", bound=Bound(">=", 0.5)), True, "its x is True, which is not a number"),
    ],
)
def test_a_value_that_the_stated_condition_does_not_fit_is_never_safe(
    label_field: LabelField, value: Any, message: str
) -> None:
    with pytest.raises(InputError, match=f"^set.jsonl:1: {message}"):
        labeled({"prompt": "a", label_field.path: value}, field_spec=FieldSpec(label=label_field))


def test_labels_of_zeros_and_ones_are_words_and_the_first_fraction_ends_the_run() -> None:
    binary = [{"prompt": "a", "toxicity": value} for value in (0, 1, 0.0, 1.0, "0.0", "1")]
    assert labels(labeled(*binary)) == [False, True, False, True, False, True]
    with pytest.raises(InputError, match=r'^set.jsonl:7: its toxicity is 0.25, a fraction: .*"toxicity>=0.5"\)\)$'):
        labeled(*binary, {"prompt": "a", "toxicity": 0.25}, {"prompt": "a", "toxicity": 0.5})
    fractions = [*binary, {"prompt": "a", "toxicity": 0.25}, {"prompt": "a", "toxicity": 0.5}]
    bound = FieldSpec(label=LabelField("toxicity", bound=Bound(">=", 0.5)))
    assert labels(labeled(*fractions, field_spec=bound)) == [False, True] * 4


@pytest.mark.parametrize(
    ("field_spec", "message"),
    [
        (
            FieldSpec(label=LabelField("lable", ("1",))),
            "FieldSpec.label: no record has the field lable; the first record has prompt, la",
        ),
        (
            FieldSpec(categories="kind"),
            "FieldSpec.categories: no record has the field kind; the first record has prompt, label",
        ),
    ],
)
def test_a_field_that_no_record_has_is_an_error_and_one_that_some_have_is_fine(
    field_spec: FieldSpec, message: str
) -> None:
    records = [{"prompt": "a", "label": 1}, {"prompt": "b", "label": 0}]
    with pytest.raises(InputError, match=f"^{message}"):
        labeled(*records, field_spec=field_spec)
    assert (
        len(labeled(*records, {"prompt": "c", "lable": 1, "kind": "S1", "label": 1}, field_spec=field_spec).samples) > 0
    )
    assert labeled(field_spec=field_spec).samples == ()  # of no records there is more to tell


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
def test_an_unclear_label_ends_the_run_at_its_place(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^set.jsonl:2: its (label|toxicity|categories)"):
        labeled({"prompt": "a", "label": "safe"}, {"prompt": "b", **fields})


@pytest.mark.parametrize(
    ("target", "heard"), [("prompt", "abc"), ("response", "abcd"), (None, "abcd"), ("something", "abcd")]
)
def test_a_conversation_ends_with_what_the_label_is_about(target: str | None, heard: str) -> None:
    dataset = labeled({"messages": CHAT, "label": "safe", "target": target})
    assert "".join(text for _, text in judged_messages(dataset)[0]) == heard
    assert dataset.samples[0].text == heard[-1]


@pytest.mark.parametrize(
    ("label_target", "truncate", "heard"), [("assistant", True, "abcd"), ("user", True, "abc"), (None, False, "abcd")]
)
def test_what_is_asked_for_outranks_what_the_record_says(label_target: Any, truncate: bool, heard: str) -> None:
    dataset = labeled(
        {"messages": CHAT, "label": "safe", "target": "prompt"}, label_target=label_target, truncate=truncate
    )
    assert "".join(text for _, text in judged_messages(dataset)[0]) == heard


def test_an_empty_label_is_none() -> None:
    dataset = labeled(
        {"prompt": "a", "grade": ""},
        {"prompt": "b", "grade": "bad"},
        field_spec=FieldSpec(label=LabelField("grade", ("bad",))),
    )
    assert (labels(dataset), dataset.left_out) == ([True], Counter({"without a label": 1}))


def test_a_record_that_cannot_be_read_stays_an_item_with_its_label() -> None:
    (sample,) = labeled({"messages": "none", "label": "unsafe"}).samples
    assert sample.unsafe
    assert sample.text is None


@pytest.mark.parametrize(
    ("fields", "ground_truth"),
    [
        ({"categories": ["S1", " S2 "]}, GroundTruth(True, {"S1": True, "S2": True})),
        ({"violated_categories": "Violence, Threat"}, GroundTruth(True, {"Violence": True, "Threat": True})),
        ({"category": "none"}, GroundTruth(True, {})),
        ({"category": float("nan")}, GroundTruth(True, {})),
        ({"categories": "N/A", "category": "S1"}, GroundTruth(True, {"S1": True})),
        ({"categories": '["S9", "S1"]'}, GroundTruth(True, {"S9": True, "S1": True})),
        ({"categories": "['S1']"}, GroundTruth(True, {"S1": True})),
        ({"categories": "S9;S1"}, GroundTruth(True, {"S9": True, "S1": True})),
        ({"categories": "S9 | S1"}, GroundTruth(True, {"S9": True, "S1": True})),
        ({"categories": "[]"}, GroundTruth(True, {})),
        ({"categories": ["S1", None]}, GroundTruth(True, {"S1": True})),
        ({"categories": "{'a': True, 'b': nan}"}, GroundTruth(True, {"a": True}, exhaustive=False)),
        ({"categories": {"a": True, "b": "NA"}}, GroundTruth(True, {"a": True}, exhaustive=False)),
        ({"categories": {"a": True, "b": False}}, GroundTruth(True, {"a": True, "b": False}, exhaustive=False)),
    ],
)
def test_what_categories_are(fields: dict[str, Any], ground_truth: GroundTruth) -> None:
    assert labeled({"prompt": "hi", "label": "unsafe", **fields}).samples[0].ground_truth == ground_truth


def test_where_categories_are_said_to_be() -> None:
    dataset = labeled({"prompt": "hi", "label": 1, "x": {"y": ["S3"]}}, field_spec=FieldSpec(categories="x.y"))
    assert dataset.samples[0].ground_truth.annotations == {"S3": True}


def test_categories_with_scores_need_a_bound() -> None:
    record = {"prompt": "hi", "x": {"hate": 0.8, "violence": 0.1, "sexual": None}}
    with pytest.raises(InputError, match=r"its x.hate is 0.8, which is neither .* with FieldSpec.category_bound$"):
        labeled(record, field_spec=FieldSpec(categories="x"))
    field_spec = FieldSpec(categories="x", category_bound=Bound(">=", 0.5))
    assert labeled(record, field_spec=field_spec).samples[0].ground_truth == GroundTruth(
        True, {"hate": True, "violence": False}, exhaustive=False
    )
    with pytest.raises(InputError, match=r"its x\.hate is 'much', which is not a number"):
        labeled({"prompt": "hi", "x": {"hate": "much"}}, field_spec=field_spec)
    with pytest.raises(InputError, match=r"its x is a list of names: a bound \(x>=0.5\) needs an object with numbers"):
        labeled({"prompt": "hi", "x": ["hate"]}, field_spec=field_spec)


@pytest.mark.parametrize(
    ("ground_truth", "names", "applies"),
    [
        (GroundTruth(True, {"a": True}), ["a"], True),
        (GroundTruth(True, {"a": True}), ["b"], False),
        (GroundTruth(True, {}), ["a"], None),
        (GroundTruth(False, {}), ["a"], False),
        (GroundTruth(False, {"a": True}), ["a"], False),
        (GroundTruth(True, {"a": True}, exhaustive=False), ["a", "b"], True),
        (GroundTruth(True, {"a": False}, exhaustive=False), ["a"], False),
        (GroundTruth(True, {"a": False}, exhaustive=False), ["a", "b"], None),
        (GroundTruth(False, {}, exhaustive=False), ["a"], None),
        (GroundTruth(False, {"b": False}, exhaustive=False), ["a"], None),
    ],
)
def test_a_flag_that_is_missing_is_not_annotated_and_never_negative(
    ground_truth: GroundTruth, names: list[str], applies: bool | None
) -> None:
    assert ground_truth.applies(names) is applies


def test_the_data_set_is_named_by_the_record_or_by_the_file() -> None:
    dataset = labeled({"prompt": "a", "label": 1, "source": "mine"}, {"prompt": "b", "label": 1}, source="x/y.jsonl.gz")
    assert [sample.dataset_names for sample in dataset.samples] == [("mine", "y"), ("y",)]
