"""Labels of records: what they violate by the policy's ids, and why some cannot be used."""

from __future__ import annotations

import pytest

from guardcli.augment import Labelled, Mapping, Unusable
from guardcli.conversation import Conversation, Json, Key, Malformed, Message, Record
from guardcli.errors import InputError
from guardcli.taxonomy import Taxonomy
from guardcli.turns import Target
from tests.augment.labels import record

POLICY = Taxonomy.parse("name: p\nextends: llama-guard-3\ndrop: [S13]\ncategories: [{id: S11, key: self-harm}]\n")
MAPPING = Mapping.parse('{"guns": "S9", "rude": null, "harm": "self-harm", "votes": "S13"}', "map.json")


def read(label: Json, categories: Json = None, mapping: Mapping = MAPPING) -> tuple[tuple[str, ...], bool]:
    found = Labelled.of(record(label=label, categories=categories), POLICY, mapping)
    return found.violated, found.complete


@pytest.mark.parametrize(
    ("label", "categories", "expected"),
    [
        ("safe", None, ((), True)),
        ("safe", [], ((), True)),
        ("unsafe", ["S9"], (("S9",), True)),  # an id of the policy needs no map
        ("unsafe", ["self-harm"], (("S11",), True)),  # nor does a key
        ("unsafe", ["guns"], (("S9",), True)),
        ("unsafe", ["harm", "guns", "S1"], (("S1", "S9", "S11"), True)),  # in the policy's order
        ("unsafe", ["guns", "S9"], (("S9",), True)),
        ("unsafe", ["guns", "rude"], (("S9",), False)),  # what has no id may be all that is left
        ("unsafe", ["guns", "votes"], (("S9",), False)),  # dropped by the policy
    ],
)
def test_labels(label: str, categories: Json, expected: tuple[tuple[str, ...], bool]) -> None:
    assert read(label, categories) == expected


@pytest.mark.parametrize(
    ("label", "categories", "reason"),
    [
        (None, ["guns"], "it has no label"),
        ("bad", None, "its label is 'bad': write safe or unsafe"),
        (True, None, "its label is True: write safe or unsafe"),
        ("safe", ["guns"], "it is labelled safe and names categories"),
        ("unsafe", None, "it is unsafe, and the policy has none of its categories: it names none"),
        ("unsafe", ["rude", "votes"], "it is unsafe, and the policy has none of its categories: rude, votes"),
        ("unsafe", "guns", "its categories are no list of names"),
        ("unsafe", [1], "its categories are no list of names"),
    ],
)
def test_labels_that_cannot_be_used(label: Json, categories: Json, reason: str) -> None:
    with pytest.raises(Unusable) as caught:
        read(label, categories)
    assert str(caught.value) == reason


def test_the_judged_message_is_the_last_of_what_is_shown() -> None:
    found = Labelled.of(record("a", response="b", label="safe"), POLICY, MAPPING)
    assert [(turn.speaker, turn.text) for turn in found.shown] == [("User", "a"), ("Agent", "b")]
    found = Labelled.of(record("a", response="b", label="safe"), POLICY, MAPPING, target="user")
    assert [turn.text for turn in found.shown] == ["a"]


@pytest.mark.parametrize(("target", "left"), [("assistant", "nothing to judge"), ("last", "nothing to judge")])
def test_nothing_to_judge(target: Target, left: str) -> None:
    system = Record(Key("a", 1), Conversation((Message("system", "be kind"),)), {"label": "safe"})
    with pytest.raises(Unusable, match=left):
        Labelled.of(system, POLICY, MAPPING, target=target)
    assert Labelled.of(system, POLICY, MAPPING, as_user={"system"}).label == "safe"


def test_a_malformed_record() -> None:
    with pytest.raises(Unusable, match="it cannot be read: not JSON"):
        Labelled.of(Malformed(Key("a", 1), "not JSON"), POLICY, MAPPING)


def test_a_map_for_each_source() -> None:
    mapping = Mapping.parse('{"one": {"guns": "S9"}, "two": {"guns": "S1"}}', "map.json")
    for file, fields, expected in (
        ("data/one.jsonl.gz", {}, ("S9",)),  # by the file's name
        ("-", {"source": "two"}, ("S1",)),  # by the record's field
        ("one.jsonl", {"source": "unknown"}, ("S9",)),
    ):
        labelled = Labelled.of(
            record(file=file, label="unsafe", categories=["guns"], **fields), POLICY, mapping
        )  # fmt: skip
        assert labelled.violated == expected


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": 1}', '{"a": {"b": 1}}', '{"a": {"b": null}, "c": "S1"}', "[" * 9999]
)
def test_what_is_no_map(text: str) -> None:
    with pytest.raises(InputError, match=r"^map\.json: "):
        Mapping.parse(text, "map.json")
