"""Contrast pairs: read from a field, kept in one group, and marked in their examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from guardcli.conversation import Json, Key
from guardcli.errors import InputError
from guardcli.training.augmentation import LabeledConversation
from guardcli.training.augmentation.pairs import group_conversations
from tests.training.augmentation.samples import record
from tests.training.augmentation.test_weights import CONFIG, prepared


def grouped(pairs: Sequence[str | None], size: int, sources: Sequence[str] | None = None) -> list[list[int]]:
    """The positions of conversations with these pairs, by group."""
    conversations = [
        LabeledConversation(Key(source, at), (), (), pair=pair)
        for at, (pair, source) in enumerate(zip(pairs, sources or ["a"] * len(pairs), strict=True))
    ]
    return [[one.key.line for one in group] for group in group_conversations(conversations, size)]


@pytest.mark.parametrize(
    ("pairs", "size", "expected"),
    [
        ([None] * 5, 2, [[0, 1], [2, 3], [4]]),
        ([None, "p", None, "q", "p", None, "q"], 4, [[0, 1, 4, 2], [3, 6, 5]]),
        ([None, "p", "p", None], 2, [[0], [1, 2], [3]]),
        (["p", "p", "p"], 2, [[0, 1, 2]]),
        (["p", None], 2, [[0, 1]]),
        ([], 2, []),
    ],
)
def test_a_pair_is_never_split(pairs: list[str | None], size: int, expected: list[list[int]]) -> None:
    assert grouped(pairs, size) == expected


def test_pairs_of_two_files_are_different() -> None:
    assert grouped(["1", "1", "1", "1"], 2, ["a", "b", "a", "b"]) == [[0, 2], [1, 3]]


def test_examples_of_a_pair_have_the_same_policies() -> None:
    records = [
        record("How do I kill a process?", 1, label="safe", twin="kill"),
        record("How do I bake bread?", 2, label="safe"),
        record("How do I kill a man?", 3, label="unsafe", categories=["S1"], twin="kill"),
    ]
    examples = prepared(records, replace(CONFIG, pair_field="twin", copies=2, group_size=2))
    assert [(example.key.line, example.pair) for example in examples[::3]] == [(1, "kill"), (3, "kill"), (2, None)]
    first, second, other = ([one.policy for one in examples[start : start + 3]] for start in (0, 3, 6))
    assert first == second != other


@pytest.mark.parametrize(("value", "pair"), [("p", "p"), (7, "7"), (None, None), ("", None)])
def test_pair_of_a_field(value: Json, pair: str | None) -> None:
    records = [record("What is bread?", label="safe", twin=value)]
    assert {example.pair for example in prepared(records, replace(CONFIG, pair_field="twin"))} == {pair}


def test_other_values_are_an_error() -> None:
    with pytest.raises(InputError, match=r"^a\.jsonl:1: its twin is \[1\]: expected a text or a number$"):
        prepared([record("What is bread?", label="safe", twin=[1])], replace(CONFIG, pair_field="twin"))
    with pytest.raises(InputError, match=r"pair_field=.twin..: no record has the field twin"):
        prepared([record("What is bread?", label="safe")], replace(CONFIG, pair_field="twin"))
