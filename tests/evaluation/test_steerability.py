"""Steerability of judges that read their policy, that know it by heart, and that fail; and of tiny models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from guardcli.engine import EngineConfig
from guardcli.evaluation import (
    InapplicableProbe,
    NativeCategories,
    Prediction,
    ProbedRecord,
    ProbeResult,
    Steerability,
    plan_probes,
    probed_samples,
    run_probes,
)
from guardcli.evaluation.datasets import CategoryIndex, read_dataset
from guardcli.evaluation.judged_systems import JudgedSystem, JudgedSystems, judge_systems
from guardcli.evaluation.probe_policies import PROBES
from guardcli.evaluation.steerability import NO_DESCRIPTIONS, NO_RECORDS, Judge
from guardcli.formats import ReadOptions
from guardcli.judging import JudgeConfig
from guardcli.models import ModelConfig
from guardcli.taxonomy import Category, Taxonomy
from tests import tiny
from tests.evaluation.planted import item, system

LG3 = Taxonomy.load("llama-guard-3")
FULL = replace(LG3, detail="full")
# What is a record of S1 called? By its category's name.
UNSAFE = [ProbedRecord(category.name, category.name, (category.id,)) for category in LG3.categories]
SAFE = [ProbedRecord(f"greeting {number}", "hello") for number in range(40)]


def violates(text: str, category: Category) -> bool:
    said = category.description or ""
    if said.startswith("An exception"):
        return False
    return (text == category.name) is not said.endswith("Unsafe: every message of another kind, however harmless.")


def reads(policy: Taxonomy, texts: Sequence[str]) -> list[Prediction]:
    """A judge that reads names and descriptions."""
    listed = [frozenset(one.label for one in policy.categories if violates(text, one)) for text in texts]
    return [Prediction(0.9 if labels else 0.1, bool(labels), labels) for labels in listed]


def by_heart(policy: Taxonomy, texts: Sequence[str]) -> list[Prediction]:
    """A judge that learned what to flag, and the ids, whatever its policy says."""
    return reads(LG3, texts)


def measure(judge: Judge[str], taxonomy: Taxonomy = FULL) -> Steerability:
    return run_probes(plan_probes([*UNSAFE, *SAFE], taxonomy), judge)


def shares(found: Steerability) -> dict[str, float | None]:
    return {one.probe: None if one.share is None else one.share.value for one in found.results}


def test_a_judge_that_reads_its_policy_turns_and_stays_as_it_should() -> None:
    found = measure(reads)
    assert shares(found) == dict.fromkeys([probe.name for probe in PROBES], 1.0)
    assert found.turned is not None
    assert found.stayed is not None
    assert (found.turned.value, found.stayed.value) == (1.0, 1.0)
    assert (found.num_flagged, found.num_passed) == (14, 14)
    assert found.num_prompts == 14 * len(PROBES)


def test_a_judge_that_knows_by_heart_turns_nothing() -> None:
    found = measure(by_heart)
    assert {one.probe: one.num_right for one in found.results} == {
        **{probe.name: 0 for probe in PROBES if probe.expected.startswith("turns")},
        "another removed": 14,
        "half dropped and shuffled": 14,
        "shuffled": 14,
        "renumbered": 0,  # it lists the old ids
    }
    assert found.turned is not None
    assert found.turned.value == found.turned.low == 0
    assert 0 < found.turned.high < 0.2


def test_a_record_counts_once_for_the_width_of_an_interval() -> None:
    found = measure(by_heart).stayed
    assert found is not None
    assert found.value == 0.75
    wide, narrow = (
        measure(by_heart).stayed,
        ProbeResult(probe="x", expected="stays unsafe", num_records=56, num_right=42),
    )
    assert wide is not None
    assert narrow.share is not None
    assert wide.high - wide.low > 1.5 * (narrow.share.high - narrow.share.low)


def test_errors_neither_turn_nor_stay() -> None:
    found = measure(lambda _policy, texts: [Prediction(None, None, error="x") for _ in texts])
    assert {(one.num_records, one.num_right, one.num_errors, one.share) for one in found.results} == {(14, 0, 14, None)}
    assert found.turned is None


def test_without_descriptions_some_probes_are_inapplicable() -> None:
    found = measure(reads, LG3)
    inapplicable = {one.probe for one in found.results if one.inapplicable == NO_DESCRIPTIONS}
    assert inapplicable == {"own allowed", "inverted", "inverted, safe records"}
    assert (found.num_passed, found.num_prompts) == (0, 14 * 6)


def test_a_judge_may_refuse_a_probe() -> None:
    def refuses(policy: Taxonomy, texts: Sequence[str]) -> list[Prediction]:
        if policy.categories[0].name not in {category.name for category in FULL.categories}:
            raise InapplicableProbe("unknown categories")
        return reads(policy, texts)

    found = measure(refuses)
    assert [one.probe for one in found.results if one.inapplicable] == ["off-topic"]
    assert found.num_policies == measure(reads).num_policies - 14
    assert found.num_prompts == 14 * 8


def test_a_policy_of_one_category_has_few_probes() -> None:
    single = FULL.single_category("S1")
    found = run_probes(plan_probes(UNSAFE[:1], single), reads)
    assert {one.probe for one in found.results if one.inapplicable is None} == {"own allowed", "inverted", "off-topic"}
    assert found.results[0].inapplicable == NO_RECORDS


def test_records_share_policies_and_the_seed_decides_everything() -> None:
    records = [ProbedRecord(number, "x", ("S1",)) for number in range(50)]
    plan = plan_probes(records, LG3, seed=3)
    runs = {probe.name: [len(run.records) for run in plan.runs if run.probe is probe] for probe in PROBES}
    assert runs["own removed"] == [50]
    assert runs["shuffled"] == [20, 20, 10]
    assert plan.num_prompts == 6 * 50
    assert plan == plan_probes(records, LG3, seed=3)
    assert plan != plan_probes(records, LG3, seed=4)


def test_records_that_were_judged_rightly_take_part() -> None:
    samples = (
        item(1, True, "S1"), item(2, True, "S9", "S2"), item(3, True, "unknown"), item(4, False), item(5, True, "S1"),
        item(6, False), item(7, True, "S1"),
    )  # fmt: skip
    listed = [{"S1": 0.9}, {"S2": 0.9}, {"S1": 0.9}, None, None, None, {"S3": 0.9}]
    judged = system([0.9, 0.9, 0.9, 0.2, 0.2, 0.9, 0.9], categories=listed)
    judged = replace(judged, categories=CategoryIndex.from_taxonomy(LG3))
    native_categories = NativeCategories.from_samples(samples, judged.categories, None, ())
    records, left_out = probed_samples(samples, judged, native_categories)
    assert [(record.subject.key.line, record.own) for record in records] == [(1, ("S1",)), (2, ("S2", "S9")), (4, ())]
    assert left_out == {
        "labeled with no category of the policy": 1,
        "not flagged": 1,
        "flagged for another category": 1,
    }
    assert records[0].text == "text 1"


def judge_words(path: Path, taxonomy: Taxonomy, *, per_category: bool = False) -> JudgedSystem:
    """A tiny model that flags the word "bombs" as S9, wherever it stands, and knows nothing of policies."""
    model = tiny.write(path / "words.gguf", reads={"bombs": ("S9", 4.0)})
    rows = [{"prompt": f"bombs {n}", "label": "unsafe", "categories": ["S9"]} for n in range(3)]
    rows += [{"prompt": f"bread {n}", "label": "safe"} for n in range(2)]
    (path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = read_dataset(ReadOptions().read([str(path / "set.jsonl")]))
    systems = JudgedSystems(
        models=[ModelConfig(str(model), template="llama-guard-3-8b")],
        policies=[taxonomy],
        config=JudgeConfig(target="last", scores=True, per_category=per_category),
        engine=EngineConfig(threads=1),
        steerability=True,
    )
    seen: list[tuple[str, int, int]] = []
    (judged,) = judge_systems(dataset.samples, systems, on_progress=lambda *progress: seen.append(progress))
    assert judged.steerability is not None
    probes = [progress for progress in seen if progress[0].endswith("probe policies")]
    if not per_category:
        assert [done for _, done, _ in probes] == list(range(1, judged.steerability.num_prompts + 1))
        assert {total for *_, total in probes} == {judged.steerability.num_prompts}
    return judged


def test_a_model_that_sees_words_turns_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = judge_words(tmp_path, FULL).steerability
    assert "id-of-other-category" not in caplog.text  # the user did not write the probe policies
    assert found is not None
    assert (found.num_flagged, found.num_passed, found.left_out) == (3, 2, {})
    assert {one.probe: one.num_right for one in found.results if one.expected != "stays unsafe"} == {
        "own removed": 0,
        "own allowed": 0,
        "inverted": 0,
        "inverted, safe records": 0,
        "off-topic": 0,
        "renumbered": 0,
    }
    assert {one.num_right for one in found.results if one.expected == "stays unsafe"} == {3}


def test_categories_are_not_shuffled_per_category(tmp_path: Path) -> None:
    found = judge_words(tmp_path, LG3, per_category=True).steerability
    assert found is not None
    reasons = {one.probe: one.inapplicable for one in found.results}
    assert reasons["shuffled"] == "the model reads nothing of the change"
    assert reasons["own removed"] is None
