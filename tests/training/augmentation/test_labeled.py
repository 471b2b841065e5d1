"""Labelled items: what they violate by the policy's ids, and why some cannot be trained on."""

from __future__ import annotations

import pytest

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, Record
from guardcli.evaluation.datasets import Crosswalk
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation import Labelled, Unusable
from tests.training.augmentation.labels import item, labelled, record

POLICY = Taxonomy.parse("name: p\nextends: llama-guard-3\ndrop: [S13]\ncategories: [{id: S11, key: self-harm}]\n")
MAP = Crosswalk({"": {"guns": "S9", "rude": None, "harm": "self-harm", "votes": "S13"}}, "p")


def read(label: Json, categories: Json = None) -> tuple[tuple[str, ...], bool]:
    found = labelled(record(label=label, categories=categories), POLICY, MAP)
    return found.violated, found.complete


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
def test_labels(label: str, categories: Json, expected: tuple[tuple[str, ...], bool]) -> None:
    assert read(label, categories) == expected


@pytest.mark.parametrize(
    ("categories", "named"), [(None, "it names none"), ([], "it names none"), (["rude", "votes"], "rude, votes")]
)
def test_categories_that_the_policy_does_not_have(categories: Json, named: str) -> None:
    with pytest.raises(Unusable) as caught:
        read("unsafe", categories)
    assert str(caught.value) == f"it is unsafe, and the policy has none of its categories: {named}"


@pytest.mark.parametrize(("target", "shown"), [(None, ["a", "b"]), ("response", ["a", "b"]), ("prompt", ["a"])])
def test_the_judged_message_is_the_last_of_what_is_shown(target: str | None, shown: list[str]) -> None:
    found = labelled(record("a", response="b", label="safe", target=target), POLICY)
    assert [turn.text for turn in found.shown] == shown
    assert [turn.speaker for turn in found.shown] == ["User", "Agent"][: len(shown)]


def test_nothing_to_judge() -> None:
    system = item(Record(Key("a", 1), Conversation((Message("system", "be kind"),)), {"label": "safe"}))
    with pytest.raises(Unusable, match="nothing to judge"):
        Labelled.of(system, POLICY, MAP)
    assert Labelled.of(system, POLICY, MAP, as_user={"system"}).violated == ()


def test_a_record_that_cannot_be_read() -> None:
    with pytest.raises(Unusable, match="it cannot be read: no text"):
        labelled(Malformed(Key("a", 1), "no text", {"label": "safe"}), POLICY)


def test_a_map_for_each_data_set() -> None:
    crosswalk = Crosswalk({"one": {"guns": "S9"}, "two": {"guns": "S1"}}, "p")
    for one, expected in (
        (record(file="data/one.jsonl.gz", label="unsafe", categories=["guns"]), ("S9",)),  # by the file's name
        (record(file="-", label="unsafe", categories=["guns"], source="two"), ("S1",)),  # by the record's field
    ):
        assert labelled(one, POLICY, crosswalk).violated == expected
