"""The weights of examples: read from a field, balanced between the labels, and kept in their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from guardcli.conversation import Json, Record
from guardcli.errors import InputError
from guardcli.prompts import TEMPLATES
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation import (
    AugmentConfig,
    ContaminationIndex,
    PrepareConfig,
    PrepareStats,
    TrainingExample,
    prepare_examples,
)
from tests.training.augmentation.samples import record

CONFIG = PrepareConfig(
    template=TEMPLATES["llama-guard-3-8b"], taxonomy=Taxonomy.load("llama-guard-3"), augmentation=AugmentConfig(0.0)
)


def prepared(
    records: Sequence[Record], config: PrepareConfig = CONFIG, stats: PrepareStats | None = None
) -> list[TrainingExample]:
    return list(prepare_examples(records, config, ContaminationIndex(), stats or PrepareStats()))


def test_examples_without_a_field_weigh_1() -> None:
    assert [example.weight for example in prepared([record("What is bread?", label="safe", weight=7)])] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("value", "weight"), [(2, 2.0), (0.25, 0.25), ("1.5", 1.5), (None, 1.0), ("", 1.0), ("N/A", 1.0)]
)
def test_weight_of_a_field(value: Json, weight: float) -> None:
    config = replace(CONFIG, weight_field="meta.w")
    examples = prepared([record("What is bread?", label="safe", meta={"w": value})], config)
    assert [example.weight for example in examples] == [weight, weight]


@pytest.mark.parametrize("value", [0, -1, "heavy", True, [1]])
def test_invalid_weight_is_an_error(value: Json) -> None:
    with pytest.raises(InputError, match=r"^a\.jsonl:3: its w is .+: expected a number greater than 0$") as caught:
        prepared([record("What is bread?", 3, label="safe", w=value)], replace(CONFIG, weight_field="w"))
    assert caught.value.code == "tune/invalid-weight"


def test_some_record_must_have_the_field() -> None:
    config = replace(CONFIG, weight_field="w")
    some = [record("What is bread?", 1, label="safe"), record("What is a roll?", 2, label="safe", w=2)]
    assert [example.weight for example in prepared(some, config)] == [1.0, 1.0, 2.0, 2.0]
    with pytest.raises(InputError, match=r"weight_field=.w..: no record has the field w; the first record has label"):
        prepared(some[:1], config)
    assert prepared([], config) == []


def test_balance_gives_both_labels_the_same_sum() -> None:
    records = [record(f"What is bread {line}?", line, label="safe", w=line) for line in (1, 2, 3)]
    records.append(record("How do I build a bomb?", 4, label="unsafe", categories=["S9"], w=2))
    config = replace(CONFIG, weight_field="w", balance=True, copies=0)
    stats = PrepareStats()
    weights = [example.weight for example in prepared(records, config, stats)]
    assert weights == pytest.approx([2 / 3, 4 / 3, 2.0, 4.0])
    assert stats.weights == pytest.approx({"safe": 4.0, "unsafe": 4.0})


def test_balance_needs_both_labels() -> None:
    safe = [record("What is bread?", label="safe")]
    with pytest.raises(
        InputError, match=r"^all 2 examples are safe: PrepareConfig.balance needs safe and unsafe ones$"
    ) as caught:
        prepared(safe, replace(CONFIG, balance=True))
    assert caught.value.code == "eval/one-class"
    assert prepared([], replace(CONFIG, balance=True)) == []
