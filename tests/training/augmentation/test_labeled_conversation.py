"""Labeled conversations: what they violate, by the policy's ids, and why some samples cannot be used."""

from __future__ import annotations

import pytest

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, Record
from guardcli.evaluation.datasets import CategoryMap
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation import LabeledConversation, UnusableSample
from tests.training.augmentation.samples import labeled, record, sample_of

POLICY = Taxonomy.from_yaml("name: p\nextends: llama-guard-3\ndrop: [S13]\ncategories: [{id: S11, key: self-harm}]\n")
MAP = CategoryMap({"": {"guns": "S9", "rude": None, "harm": "self-harm", "votes": "S13"}}, "p")


def violated_by(label: Json, categories: Json = None) -> tuple[tuple[str, ...], bool]:
    conversation = labeled(record(label=label, categories=categories), POLICY, MAP)
    return conversation.violated, conversation.complete


@pytest.mark.parametrize(
    ("label", "categories", "expected"),
    [
        ("safe", None, ((), True)),
        ("safe", [], ((), True)),
        ("safe", ["guns"], ((), True)),  # it only looks like one
        ("unsafe", ["S9"], (("S9",), True)),  # an id of the policy needs no map
        ("unsafe", ["self-harm"], (("S11",), True)),  # nor does a key
        ("unsafe", ["Hate"], (("S10",), True)),  # nor a name
        ("unsafe", ["guns"], (("S9",), True)),
        ("unsafe", ["harm", "guns", "S1"], (("S1", "S9", "S11"), True)),  # in the policy's order
        ("unsafe", ["guns", "S9"], (("S9",), True)),
        ("unsafe", {"guns": True, "rude": False}, (("S9",), True)),
        ("unsafe", ["guns", "rude"], (("S9",), False)),  # what has no id may be all that is left
        ("unsafe", ["guns", "votes"], (("S9",), False)),  # dropped by the policy
    ],
)
def test_violated_ids(label: str, categories: Json, expected: tuple[tuple[str, ...], bool]) -> None:
    assert violated_by(label, categories) == expected


@pytest.mark.parametrize(
    ("categories", "named"), [(None, "it names none"), ([], "it names none"), (["rude", "votes"], "rude, votes")]
)
def test_unsafe_sample_without_a_category_of_the_policy_is_unusable(categories: Json, named: str) -> None:
    with pytest.raises(UnusableSample) as caught:
        violated_by("unsafe", categories)
    assert str(caught.value) == f"it is unsafe, and the policy has none of its categories: {named}"


@pytest.mark.parametrize(("target", "shown"), [(None, ["a", "b"]), ("response", ["a", "b"]), ("prompt", ["a"])])
def test_conversation_ends_with_the_judged_message(target: str | None, shown: list[str]) -> None:
    conversation = labeled(record("a", response="b", label="safe", target=target), POLICY)
    assert [turn.text for turn in conversation.turns] == shown
    assert [turn.speaker for turn in conversation.turns] == ["User", "Agent"][: len(shown)]


def test_system_message_alone_is_unusable() -> None:
    system = sample_of(Record(Key("a", 1), Conversation((Message("system", "be kind"),)), {"label": "safe"}))
    with pytest.raises(UnusableSample, match="nothing to judge"):
        LabeledConversation.from_sample(system, POLICY, MAP)
    assert LabeledConversation.from_sample(system, POLICY, MAP, as_user={"system"}).violated == ()


def test_malformed_record_is_unusable() -> None:
    with pytest.raises(UnusableSample, match="it cannot be read: no text"):
        labeled(Malformed(Key("a", 1), "no text", "record/empty-conversation", {"label": "safe"}), POLICY)


def test_category_map_for_each_data_set() -> None:
    crosswalk = CategoryMap({"one": {"guns": "S9"}, "two": {"guns": "S1"}}, "p")
    for one, expected in (
        (record(file="data/one.jsonl.gz", label="unsafe", categories=["guns"]), ("S9",)),  # by the file's name
        (record(file="-", label="unsafe", categories=["guns"], source="two"), ("S1",)),  # by the record's field
    ):
        assert labeled(one, POLICY, crosswalk).violated == expected
