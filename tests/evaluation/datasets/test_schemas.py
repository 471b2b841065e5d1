"""Public sets as they are published. The texts are made up; the fields are the sets' own."""

from __future__ import annotations

from typing import Any

import pytest

from guardcli.errors import InputError
from guardcli.evaluation.datasets import DATASET_SCHEMAS, Bound, FieldSpec, GroundTruth, LabelField
from tests.evaluation.datasets.labeled import judged_messages, labeled, labeled_text, labels

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
    ("record", "name", "ground_truth", "heard"),
    [
        (
            OPENAI,
            "openai-moderation",
            GroundTruth(True, {"sexual": False, "hate": True, "violence": False}, False),
            "hi",
        ),
        ({"prompt": "hi", "S3": 0}, "openai-moderation", GroundTruth(False, {"sexual/minors": False}, False), "hi"),
        (TOXICCHAT, "toxicchat", GroundTruth(True), "hi"),
        ({"prompt": "hi", "S": True, "H": None}, "openai-moderation", GroundTruth(True, {"sexual": True}, False), "hi"),
        (TOXICCHAT | {"toxicity": "0"}, "toxicchat", GroundTruth(False), "hi"),
        (BEAVERTAILS, "beavertails", GroundTruth(True, {"violence": True, "privacy": False}, False), "hi ho"),
        (
            BEAVERTAILS | {"category": {"violence": "false", "privacy": None}},
            "beavertails",
            GroundTruth(True, {"violence": False}, False),
            "hi ho",
        ),
        (WILDGUARD, "wildguardtest", GroundTruth(True, {"cyberattack": True}), "hi"),
        (AEGIS, "aegis", GroundTruth(True, {"Violence": True}), "hi"),
        (AEGIS | {"text_type": "llm_response", "labels_2": "Safe,"}, "aegis", GroundTruth(False), "hi"),
        (
            BEAVERTAILS | {"category": '{"violence": true}'},
            "beavertails",
            GroundTruth(True, {"violence": True}, False),
            "hi ho",
        ),
        (
            BEAVERTAILS | {"is_safe": "unsafe"},
            "beavertails",
            GroundTruth(True, BEAVERTAILS["category"], False),
            "hi ho",
        ),
        (AEGIS | {"labels_1": "nan", "labels_4": float("nan")}, "aegis", GroundTruth(True, {"Violence": True}), "hi"),
        (HARMBENCH | {"ContextString": float("nan")}, "harmbench", GroundTruth(True, {"illegal": True}), "do it"),
        (WILDGUARD | {"subcategory": "N/A"}, "wildguardtest", GroundTruth(True), "hi"),
        (XSTEST | {"label": float("nan")}, "xstest", GroundTruth(True), "hi"),
        (AEGIS2, "aegis2", GroundTruth(False), "hi"),
        (HARMBENCH, "harmbench", GroundTruth(True, {"illegal": True}), "a tale\n\n---\n\ndo it"),
        (HARMBENCH | {"ContextString": None}, "harmbench", GroundTruth(True, {"illegal": True}), "do it"),
        (SST, "simplesafetytests", GroundTruth(True, {"Scams & Fraud": True}), "hi"),
        (XSTEST, "xstest", GroundTruth(True), "hi"),
        (XSTEST | {"type": "homonyms"}, "xstest", GroundTruth(False), "hi"),
        (XSTEST | {"type": "homonyms", "label": "unsafe"}, "xstest", GroundTruth(True), "hi"),
    ],
)
def test_each_set_is_recognised_and_read(
    record: dict[str, Any], name: str, ground_truth: GroundTruth, heard: str
) -> None:
    dataset = labeled(record)
    assert list(dataset.schemas) == [name]
    assert [sample.ground_truth for sample in dataset.samples] == [ground_truth]
    assert " ".join(text for _, text in judged_messages(dataset)[0]) == heard
    assert labeled(record, field_spec=FieldSpec(schema=name)) == dataset


@pytest.mark.parametrize(
    ("record", "ground_truth"),
    [(WILDGUARD, GroundTruth(False)), (AEGIS2, GroundTruth(True, {"Profanity": True, "Malware": True}))],
)
def test_of_two_labels_that_of_the_response_is_asked_for(record: dict[str, Any], ground_truth: GroundTruth) -> None:
    dataset = labeled(record, label_target="assistant")
    assert [sample.ground_truth for sample in dataset.samples] == [ground_truth]
    assert judged_messages(dataset) == [[("user", "hi"), ("assistant", "ho")]]


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
def test_a_record_without_a_majority_or_a_text_is_left_out(record: dict[str, Any]) -> None:
    assert labeled(record).samples == ()


DICES = "item_id,rater_id,context,response,Q_overall\n" + "".join(
    f'{sample},{rater},"LAMDA: hello\nUSER: tell me","LAMDA: no",{vote}\n'
    for sample, votes in (("7", "Yes Yes No Unsure"), ("8", "No No Yes Yes"), ("9", "No Unsure No Unsure"))
    for rater, vote in enumerate(votes.split())
)


def test_the_ratings_of_dices_are_counted_by_conversation() -> None:
    dataset = labeled_text(DICES, source="dices.csv")
    assert [(sample.key.id, sample.unsafe) for sample in dataset.samples] == [("7", True), ("9", False)]
    assert dataset.left_out == {"with as many votes for either label": 1}
    assert judged_messages(dataset)[0] == [("assistant", "hello"), ("user", "tell me"), ("assistant", "no")]


def test_scores_by_category_are_no_flags_of_beavertails() -> None:
    record = BEAVERTAILS | {"category": {"violence": 0.9, "privacy": 0.1}}
    with pytest.raises(InputError, match=r"its category\.violence is 0\.9, .* with FieldSpec.category_bound$"):
        labeled(record)
    (sample,) = labeled(record, field_spec=FieldSpec(categories="category", category_bound=Bound(">=", 0.5))).samples
    assert sample.ground_truth == GroundTruth(True, {"violence": True, "privacy": False}, exhaustive=False)


def test_missing_votes_do_not_count() -> None:
    row = {"response": "LAMDA: no", "context": "USER: hi", "item_id": "7"}
    dataset = labeled(*(row | {"Q_overall": vote} for vote in ("Yes", float("nan"), "NaN", "No", "No")))
    assert labels(dataset) == [False]
    unnamed = [row | {"item_id": float("nan"), "Q_overall": vote} for vote in ("Yes", "No")]
    assert labels(labeled(*unnamed)) == [True, False]  # nothing says that they are of one conversation


@pytest.mark.parametrize("label", [LabelField("jailbreaking"), LabelField("toxicity", bound=Bound(">=", 0.5))])
def test_a_label_field_keeps_the_messages_of_a_schema(label: LabelField) -> None:
    record = TOXICCHAT | {"toxicity": 0.82, "jailbreaking": 1}
    dataset = labeled(record, field_spec=FieldSpec(label=label))
    assert (labels(dataset), judged_messages(dataset), list(dataset.schemas)) == ([True], [[("user", "hi")]], [])


def test_conversations_of_two_files_and_ratings_without_a_conversation_are_not_pooled() -> None:
    row = {"response": "LAMDA: no", "context": "USER: hi"}
    rows = [row | {"item_id": "7", "Q_overall": vote} for vote in ("Yes", "Yes", "No")]
    one, two = (
        labeled(*rows, source="350.jsonl"),
        labeled(row | {"item_id": None, "Q_overall": "Yes"}, rows[2]),
    )
    assert (labels(one), labels(two)) == ([True], [True, False])


def test_a_label_of_ones_own_outranks_a_set_that_is_unsafe_by_design() -> None:
    for record in (SST, HARMBENCH | {"prompt": "hi"}):
        dataset = labeled(record | {"label": "safe"})
        assert (labels(dataset), list(dataset.schemas)) == ([False], [])


def test_xstest_as_csv() -> None:
    dataset = labeled_text("id,type,prompt,focus,note\n1,homonyms,a,x,y\n2,contrast_homonyms,b,x,\n")
    assert (labels(dataset), list(dataset.schemas)) == ([False, True], ["xstest"])


def test_a_schema_for_other_records_is_an_error() -> None:
    with pytest.raises(InputError, match=r"^set.jsonl:1: it is not a record of dices"):
        labeled(SST, field_spec=FieldSpec(schema="dices"))


def test_the_names_that_set_takes() -> None:
    assert set(DATASET_SCHEMAS) >= {
        *("openai-moderation", "toxicchat", "beavertails", "xstest", "harmbench", "wildguardtest", "aegis"),
        *("simplesafetytests", "dices"),
    }


@pytest.mark.parametrize(
    "record", [{"prompt": "hi", "label": "safe", "S": 5}, {"prompt": "hi", "label": "safe", "V": 1, "note": "x"}]
)
def test_a_field_of_one_letter_makes_no_openai_record(record: dict[str, Any]) -> None:
    assert not labeled(record).schemas
