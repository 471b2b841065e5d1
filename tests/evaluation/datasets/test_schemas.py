"""Public sets as they are published. The texts are made up; the fields are the sets' own."""

from __future__ import annotations

from typing import Any

import pytest

from guardcli.errors import InputError
from guardcli.evaluation.datasets import LAYOUTS, Bound, Label, Truth, Where
from tests.evaluation.datasets.reading import labelled, labelled_text, said, truths

OPENAI = {"prompt": "hi", "S": 0, "H": 1, "V": 0}
TOXICCHAT = {"conv_id": "c1", "user_input": "hi", "model_output": "ho", "human_annotation": True, "toxicity": 1}
BEAVERTAILS = {"prompt": "hi", "response": "ho", "category": {"violence": True, "privacy": False}, "is_safe": False}
WILDGUARD = {
    "prompt": "hi", "adversarial": False, "response": "ho", "prompt_harm_label": "harmful",
    "response_harm_label": "unharmful", "response_refusal_label": "refusal", "subcategory": "cyberattack",
}  # fmt: skip
AEGIS = {
    "id": "1", "text": "hi", "text_type": "user_message", "labels_0": "Violence, Threat", "labels_1": "Safe",
    "labels_2": "Violence", "labels_3": "Needs Caution", "labels_4": None, "num_annotations": 4,
}  # fmt: skip
AEGIS2 = {
    "prompt": "hi", "response": "ho", "prompt_label": "safe", "response_label": "unsafe",
    "violated_categories": "Profanity, Malware",
}  # fmt: skip
HARMBENCH = {
    "Behavior": "do it", "FunctionalCategory": "contextual", "SemanticCategory": "illegal", "Tags": None,
    "ContextString": "a tale", "BehaviorID": "b1",
}  # fmt: skip
SST = {"id": "s1", "prompt": "hi", "harm_area": "Scams & Fraud", "category": "Information & Advice"}
XSTEST = {"id": "1", "type": "contrast_homonyms", "prompt": "hi", "focus": "x", "note": ""}


@pytest.mark.parametrize(
    ("record", "name", "truth", "heard"),
    [
        (OPENAI, "openai-moderation", Truth(True, {"sexual": False, "hate": True, "violence": False}, False), "hi"),
        ({"prompt": "hi", "S3": 0}, "openai-moderation", Truth(False, {"sexual/minors": False}, False), "hi"),
        (TOXICCHAT, "toxicchat", Truth(True), "hi"),
        ({"prompt": "hi", "S": True, "H": None}, "openai-moderation", Truth(True, {"sexual": True}, False), "hi"),
        (TOXICCHAT | {"toxicity": "0"}, "toxicchat", Truth(False), "hi"),
        (BEAVERTAILS, "beavertails", Truth(True, {"violence": True, "privacy": False}, False), "hi ho"),
        (
            BEAVERTAILS | {"category": {"violence": "false", "privacy": None}},
            "beavertails",
            Truth(True, {"violence": False}, False),
            "hi ho",
        ),
        (WILDGUARD, "wildguardtest", Truth(True, {"cyberattack": True}), "hi"),
        (AEGIS, "aegis", Truth(True, {"Violence": True}), "hi"),
        (AEGIS | {"text_type": "llm_response", "labels_2": "Safe,"}, "aegis", Truth(False), "hi"),
        (
            BEAVERTAILS | {"category": '{"violence": true}'},
            "beavertails",
            Truth(True, {"violence": True}, False),
            "hi ho",
        ),
        (BEAVERTAILS | {"is_safe": "unsafe"}, "beavertails", Truth(True, BEAVERTAILS["category"], False), "hi ho"),
        (AEGIS | {"labels_1": "nan", "labels_4": float("nan")}, "aegis", Truth(True, {"Violence": True}), "hi"),
        (HARMBENCH | {"ContextString": float("nan")}, "harmbench", Truth(True, {"illegal": True}), "do it"),
        (WILDGUARD | {"subcategory": "N/A"}, "wildguardtest", Truth(True), "hi"),
        (XSTEST | {"label": float("nan")}, "xstest", Truth(True), "hi"),
        (AEGIS2, "aegis2", Truth(False), "hi"),
        (HARMBENCH, "harmbench", Truth(True, {"illegal": True}), "a tale\n\n---\n\ndo it"),
        (HARMBENCH | {"ContextString": None}, "harmbench", Truth(True, {"illegal": True}), "do it"),
        (SST, "simplesafetytests", Truth(True, {"Scams & Fraud": True}), "hi"),
        (XSTEST, "xstest", Truth(True), "hi"),
        (XSTEST | {"type": "homonyms"}, "xstest", Truth(False), "hi"),
        (XSTEST | {"type": "homonyms", "label": "unsafe"}, "xstest", Truth(True), "hi"),
    ],
)
def test_each_set_is_recognised_and_read(record: dict[str, Any], name: str, truth: Truth, heard: str) -> None:
    found = labelled(record)
    assert list(found.layouts) == [name]
    assert [item.truth for item in found.items] == [truth]
    assert " ".join(text for _, text in said(found)[0]) == heard
    assert labelled(record, where=Where(layout=name)) == found


@pytest.mark.parametrize(
    ("record", "truth"),
    [(WILDGUARD, Truth(False)), (AEGIS2, Truth(True, {"Profanity": True, "Malware": True}))],
)
def test_of_two_labels_that_of_the_response_is_asked_for(record: dict[str, Any], truth: Truth) -> None:
    found = labelled(record, about="assistant")
    assert [item.truth for item in found.items] == [truth]
    assert said(found) == [[("user", "hi"), ("assistant", "ho")]]


@pytest.mark.parametrize(
    "record",
    [
        AEGIS | {"labels_2": None},  # one against one
        AEGIS2 | {"prompt": "REDACTED"},
        WILDGUARD | {"prompt_harm_label": None},
        TOXICCHAT | {"toxicity": None},
        TOXICCHAT | {"toxicity": float("nan")},
        WILDGUARD | {"prompt_harm_label": "NaN"},
        BEAVERTAILS | {"is_safe": "None"},
        AEGIS | dict.fromkeys(("labels_0", "labels_1", "labels_2", "labels_3"), float("nan")),
        OPENAI | {"S": float("nan"), "H": "NA", "V": None},
        HARMBENCH | {"SemanticCategory": float("nan")},  # of another set, in one table with this one
        SST | {"harm_area": None},
        XSTEST | {"type": "N/A"},
        XSTEST | {"type": None},
    ],
)
def test_without_a_majority_or_a_text_there_is_no_item(record: dict[str, Any]) -> None:
    assert labelled(record).items == ()


DICES = "item_id,rater_id,context,response,Q_overall\n" + "".join(
    f'{item},{rater},"LAMDA: hello\nUSER: tell me","LAMDA: no",{vote}\n'
    for item, votes in (("7", "Yes Yes No Unsure"), ("8", "No No Yes Yes"), ("9", "No Unsure No Unsure"))
    for rater, vote in enumerate(votes.split())
)


def test_the_ratings_of_dices_are_counted_by_conversation() -> None:
    found = labelled_text(DICES, source="dices.csv")
    assert [(item.key.id, item.unsafe) for item in found.items] == [("7", True), ("9", False)]
    assert found.left_out == {"with as many votes for either label": 1}
    assert said(found)[0] == [("assistant", "hello"), ("user", "tell me"), ("assistant", "no")]


def test_scores_by_category_are_no_flags_of_beavertails() -> None:
    record = BEAVERTAILS | {"category": {"violence": 0.9, "privacy": 0.1}}
    with pytest.raises(InputError, match=r'its category\.violence is 0\.9, .* --category-field "category>=0\.5"$'):
        labelled(record)
    (item,) = labelled(record, where=Where(categories="category", category_bound=Bound(">=", 0.5))).items
    assert item.truth == Truth(True, {"violence": True, "privacy": False}, listed=False)


def test_votes_that_are_missing_are_none() -> None:
    row = {"response": "LAMDA: no", "context": "USER: hi", "item_id": "7"}
    found = labelled(*(row | {"Q_overall": vote} for vote in ("Yes", float("nan"), "NaN", "No", "No")))
    assert truths(found) == [False]
    unnamed = [row | {"item_id": float("nan"), "Q_overall": vote} for vote in ("Yes", "No")]
    assert truths(labelled(*unnamed)) == [True, False]  # nothing says that they are of one conversation


@pytest.mark.parametrize("label", [Label("jailbreaking"), Label("toxicity", bound=Bound(">=", 0.5))])
def test_a_label_that_is_forced_leaves_a_sets_messages_where_they_are(label: Label) -> None:
    record = TOXICCHAT | {"toxicity": 0.82, "jailbreaking": 1}
    found = labelled(record, where=Where(label))
    assert (truths(found), said(found), list(found.layouts)) == ([True], [[("user", "hi")]], [])


def test_conversations_of_two_files_and_ratings_without_a_conversation_are_not_pooled() -> None:
    row = {"response": "LAMDA: no", "context": "USER: hi"}
    rows = [row | {"item_id": "7", "Q_overall": vote} for vote in ("Yes", "Yes", "No")]
    one, two = labelled(*rows, source="350.jsonl"), labelled(row | {"item_id": None, "Q_overall": "Yes"}, rows[2])
    assert (truths(one), truths(two)) == ([True], [True, False])


def test_a_label_of_ones_own_outranks_a_set_that_is_unsafe_by_design() -> None:
    for record in (SST, HARMBENCH | {"prompt": "hi"}):
        found = labelled(record | {"label": "safe"})
        assert (truths(found), list(found.layouts)) == ([False], [])


def test_xstest_as_csv() -> None:
    found = labelled_text("id,type,prompt,focus,note\n1,homonyms,a,x,y\n2,contrast_homonyms,b,x,\n")
    assert (truths(found), list(found.layouts)) == ([False, True], ["xstest"])


def test_a_set_that_is_forced_on_other_records_is_an_error() -> None:
    with pytest.raises(InputError, match=r"^set.jsonl:1: it is no record of dices"):
        labelled(SST, where=Where(layout="dices"))


def test_the_names_that_set_takes() -> None:
    assert set(LAYOUTS) >= {
        *("openai-moderation", "toxicchat", "beavertails", "xstest", "harmbench", "wildguardtest", "aegis"),
        *("simplesafetytests", "dices"),
    }


@pytest.mark.parametrize(
    "record", [{"prompt": "hi", "label": "safe", "S": 5}, {"prompt": "hi", "label": "safe", "V": 1, "note": "x"}]
)
def test_a_field_of_one_letter_makes_no_openai_record(record: dict[str, Any]) -> None:
    assert not labelled(record).layouts
