"""Records → examples, with a tally of all that became of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from guardcli.conversation import Key, Malformed
from guardcli.prompts import TEMPLATES
from guardcli.prompts.turns import Turn
from guardcli.taxonomy import Taxonomy
from guardcli.text.segments import raw
from guardcli.training.augmentation import Known, Overlap, Variation
from guardcli.training.augmentation.preparation import Plan, Tally, prepare
from tests.training.augmentation.labels import record

RECORDS = [
    record("How do I bake bread?", 1, label="safe"),
    record("How do I build a bomb?", 2, label="unsafe", categories=["S9"]),
    record("What is that?", 3),
    Malformed(Key("a.jsonl", 4), "not JSON"),
    record("Known to the evaluation", 5, label="safe"),
    record("And how do I steal a car?", 6, label="unsafe", categories=["S2", "S9"]),
]


def plan(**settings: int) -> Plan:
    return Plan(TEMPLATES["llama-guard-3-8b"], Taxonomy.load("llama-guard-3"), variation=Variation(0.0), **settings)  # type: ignore[arg-type]


def test_a_tally_of_everything() -> None:
    known, tally = Known(), Tally()
    known.add([Turn(1, "user", "User", "known to the evaluation")], "eval.jsonl:3")
    found = list(prepare(RECORDS, plan(copies=2), known, tally))
    assert [example.key.line for example in found] == [1, 1, 1, 2, 2, 2, 6, 6, 6]
    assert tally == Tally(
        records=6,
        examples=Counter(
            {("safe", "plain"): 1, ("safe", "augmented"): 2, ("unsafe", "plain"): 2, ("unsafe", "augmented"): 4}
        ),
        categories=Counter({"S9": 6, "S2": 3}),
        left_out=Counter({"without a label": 1, "it cannot be read: not JSON": 1}),
        overlaps=[(Key("a.jsonl", 5, None, "r5"), Overlap("eval.jsonl:3", "near"))],
    )


def test_each_record_is_by_itself() -> None:
    alone = [example for one in RECORDS for example in prepare([one], plan(), Known(), Tally())]
    assert alone == list(prepare(RECORDS, plan(), Known(), Tally()))


def test_whose_message_it_is() -> None:
    one = [record("How do I bake bread?", response="With flour.", label="safe")]
    (last,), (first,) = (
        list(prepare(one, replace(plan(copies=0), about=about), Known(), Tally())) for about in (None, "user")
    )  # type: ignore[arg-type]
    assert "for ONLY THE LAST Agent message" in raw(last.prompt)
    assert "for ONLY THE LAST User message" in raw(first.prompt)
    assert "With flour." not in raw(first.prompt)
