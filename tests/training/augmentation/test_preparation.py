"""Preparation: the examples of records, and the counts of what became of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby

import pytest

from guardcli.conversation import Key, Malformed
from guardcli.prompts import TEMPLATES
from guardcli.prompts.turns import Turn
from guardcli.taxonomy import Taxonomy
from guardcli.text.segments import render_text
from guardcli.training.augmentation import (
    AugmentConfig,
    ContaminationIndex,
    Overlap,
    PrepareConfig,
    PrepareStats,
    prepare_examples,
)
from tests.training.augmentation.samples import record

RECORDS = [
    record("How do I bake bread?", 1, label="safe"),
    record("How do I build a bomb?", 2, label="unsafe", categories=["S9"]),
    record("What is that?", 3),
    Malformed(Key("a.jsonl", 4), "not JSON", "record/not-json"),
    record("Known to the evaluation", 5, label="safe"),
    record("And how do I steal a car?", 6, label="unsafe", categories=["S2", "S9"]),
]


def config(**settings: int) -> PrepareConfig:
    return PrepareConfig(
        template=TEMPLATES["llama-guard-3-8b"],
        taxonomy=Taxonomy.load("llama-guard-3"),
        augmentation=AugmentConfig(0.0),
        **settings,
    )  # type: ignore[arg-type]


def test_stats_count_every_record() -> None:
    evaluation, stats = ContaminationIndex(), PrepareStats()
    evaluation.add([Turn(1, "user", "User", "known to the evaluation")], "eval.jsonl:3")
    examples = list(prepare_examples(RECORDS, config(copies=2), evaluation, stats))
    assert [example.key.line for example in examples] == [1, 1, 1, 2, 2, 2, 6, 6, 6]
    assert stats == PrepareStats(
        num_records=6,
        examples=Counter(
            {("safe", "plain"): 1, ("safe", "augmented"): 2, ("unsafe", "plain"): 2, ("unsafe", "augmented"): 4}
        ),
        categories=Counter({"S9": 6, "S2": 3}),
        weights={"safe": 3.0, "unsafe": 6.0},
        skipped=Counter({"without a label": 1, "it cannot be read: not JSON": 1}),
        overlaps=[(Key("a.jsonl", 5, None, "r5"), Overlap("eval.jsonl:3", "near"))],
    )


def test_examples_of_a_group_of_one_do_not_depend_on_other_records() -> None:
    alone = [
        example
        for one in RECORDS
        for example in prepare_examples([one], config(), ContaminationIndex(), PrepareStats())
    ]
    together = prepare_examples(RECORDS, config(group_size=1), ContaminationIndex(), PrepareStats())
    assert alone == list(together)


@pytest.mark.parametrize(("size", "groups"), [(1, [1] * 7), (3, [3, 3, 1]), (16, [7])])
def test_so_many_consecutive_records_share_their_variants(size: int, groups: list[int]) -> None:
    records = [record(f"How do I bake bread {line}?", line, label="safe") for line in range(1, 8)]
    settings = config(copies=2, group_size=size)
    examples = list(prepare_examples(records, settings, ContaminationIndex(), PrepareStats()))
    assert [example.key.line for example in examples] == [line for line in range(1, 8) for _ in range(3)]
    for copy in (1, 2):
        policies = [example.original_ids for example in examples[copy::3]]
        assert [len(list(same)) for _, same in groupby(policies)] == groups


def test_stats_count_the_categories_that_are_left() -> None:
    """Under each variant, some of what the group violates is dropped."""
    records = [record(f"How do I steal {n} cars?", n, label="unsafe", categories=["S2", f"S{n}"]) for n in range(3, 9)]
    settings = replace(config(copies=4), augmentation=AugmentConfig(0.5))
    stats = PrepareStats()
    examples = list(prepare_examples(records, settings, ContaminationIndex(), stats))
    assert stats.categories == Counter(id_ for example in examples for id_ in example.categories)
    assert len({example.categories for example in examples}) > 6
    assert stats.examples["safe", "made safe"] > 0


def test_target_chooses_the_judged_message() -> None:
    one = [record("How do I bake bread?", response="With flour.", label="safe")]
    (last,), (first,) = (
        list(prepare_examples(one, replace(config(copies=0), target=target), ContaminationIndex(), PrepareStats()))
        for target in (None, "user")
    )  # type: ignore[arg-type]
    assert "for ONLY THE LAST Agent message" in render_text(last.prompt)
    assert "for ONLY THE LAST User message" in render_text(first.prompt)
    assert "With flour." not in render_text(first.prompt)
