"""Two runs compared: matching, counts, the largest moves, and McNemar's test."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from math import comb
from typing import Any

import pytest

from guardcli import Calibration, Guard, JudgeConfig
from guardcli.conversation import Conversation, Key, Message, Record
from guardcli.evaluation.comparison import MAX_SHOWN, align_rows, compare_guards, compare_runs, mcnemar_p_value
from guardcli.judging import Verdict
from guardcli.models import Model
from tests.fake import FakeEngine, words
from tests.rows import verdict


def test_of_equal_moves_the_highest_score_is_first() -> None:
    """Such as where only the threshold differs."""
    scores = (0.55, 0.69, 0.51, 0.6)
    before = [verdict(line, score) for line, score in enumerate(scores, start=1)]
    after = [verdict(line, score, threshold=0.7, verdict="safe", categories=[], listed=["S9"])
             for line, score in enumerate(scores, start=1)]  # fmt: skip
    found = compare_runs(before, after)
    assert [pair[0].score for pair in found.flips["unsafe", "safe"]] == [0.69, 0.6, 0.55, 0.51]
    assert found.thresholds == (Counter({0.5: 4}), Counter({0.7: 4}))
    assert found.largest_deltas == []


def test_raw_and_calibrated_decisions_of_one_model_are_judged_once(model: Model) -> None:
    """At equal thresholds the calibrated guard flags more, so it judges: only unsafe rows have categories."""
    engines = [FakeEngine(words(knife=0.42)) for _ in range(2)]
    with Guard(model, "llama-guard-3", engine=engines[0], config=JudgeConfig(threshold=0.45)) as raw:
        by = raw.provenance
        calibration = Calibration(
            temperature=2.0,
            model=by.model,
            template=by.template,
            scoring="verdict",
            taxonomy="",
            prompt_digest=by.prompt_digest,
        )
        config = JudgeConfig(threshold=0.45, calibration=calibration)
        with Guard(model, "llama-guard-3", engine=engines[1], config=config) as calibrated:
            records = [Record(Key(None, 1), Conversation((Message("user", "a knife"),)))]
            ((before, after),) = compare_guards(records, raw, calibrated).flips["safe", "unsafe"]
    assert [len(engine.prompts) for engine in engines] == [0, 1]
    assert (before.temperature, before.judged_score) == (None, before.score)
    assert (after.temperature, after.score, after.categories) == (2.0, before.score, ("S1",))
    assert after.judged_score == after.calibrated == pytest.approx(0.4597, abs=1e-4)


def test_verdicts_categories_and_moves() -> None:
    before = [
        verdict(1, 0.1),
        verdict(2, 0.4),
        verdict(3, 0.9),
        verdict(4, None),
        verdict(5, 0.9, categories=["S1", "S2"]),
        verdict(6, 0.3),
    ]
    after = [
        verdict(1, 0.2),
        verdict(2, 0.6),
        verdict(3, 0.3),
        verdict(4, 0.2),
        verdict(5, 0.8, categories=["S2", "S3"]),
        verdict(6, 0.3),
    ]
    found = compare_runs(before, after)
    assert found.verdicts == {
        ("safe", "safe"): 2,
        ("safe", "unsafe"): 1,
        ("unsafe", "safe"): 1,
        ("error", "safe"): 1,
        ("unsafe", "unsafe"): 1,
    }
    assert (found.num_matched, found.num_changed, found.agreement, found.unmatched) == (6, 3, 0.5, (0, 0))
    assert (found.gained, found.lost) == ({"S9": 1, "S3": 1}, {"S9": 1, "S1": 1})
    assert list(found.flips) == [("unsafe", "safe"), ("safe", "unsafe"), ("error", "safe")]  # what matters first
    assert ([pair[0].key.line for pair in found.relabeled], found.num_relabeled) == ([5], 1)
    assert [made_by.total() for made_by in found.made_by] == [6, 6]
    assert found.thresholds == (Counter({0.5: 6}), Counter({0.5: 6}))
    assert [histogram.total for histogram in found.histograms] == [5, 6]
    assert [pair[0].key.line for pair in found.largest_deltas] == [3, 2, 1, 5]
    assert found.p_value == 1.0


def test_nothing_in_common() -> None:
    found = compare_runs([verdict(1, 0.1)], [verdict(2, 0.1), verdict(3, 0.1)])
    assert (found.num_matched, found.agreement, found.num_changed, found.unmatched) == (0, None, 0, (1, 2))


def keys(found: Iterator[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [tuple(None if one is None else (one.key.line, one.turn) for one in pair) for pair in found]


def test_one_row_a_record_is_matched_for_any_turn() -> None:
    assert keys(align_rows([verdict(1, 0.1, turn=2)], [verdict(1, 0.1, turn=5)])) == [((1, 2), (1, 5))]


def test_several_rows_a_record_are_matched_by_turn() -> None:
    before = [verdict(1, 0.1, turn=1), verdict(1, 0.1, turn=2)]
    after = [verdict(1, 0.1, turn=2), verdict(1, 0.1, turn=3)]
    assert keys(align_rows(before, after)) == [((1, 1), None), ((1, 2), (1, 2)), (None, (1, 3))]


def test_runs_in_other_orders_are_matched() -> None:
    rng = random.Random(1)
    before = [verdict(line, 0.1) for line in range(1, 301) if rng.random() < 0.9]
    after = [verdict(line, 0.1) for line in range(1, 301) if rng.random() < 0.9]
    both = {r.key.line for r in before} & {r.key.line for r in after}
    rng.shuffle(after)
    found = compare_runs(before, after)
    assert found.num_matched == len(both)
    assert found.unmatched == (len(before) - len(both), len(after) - len(both))


@pytest.mark.slow
def test_memory_does_not_grow_with_runs_in_the_same_order() -> None:
    def rows(count: int) -> Iterator[Verdict]:
        return (verdict(line, (line * 7919 % 1000) / 1000) for line in range(1, count + 1))

    peaks = []
    for count in (1_000, 20_000):
        tracemalloc.start()
        compare_runs(rows(count), rows(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


def test_only_some_flips_are_kept_and_those_are_the_largest() -> None:
    before = [verdict(line, 0.1) for line in range(1, 101)]
    after = [verdict(line, 0.5 + line / 1000) for line in range(1, 101)]
    found = compare_runs(before, after)
    assert [pair[1].key.line for pair in found.flips["safe", "unsafe"]] == list(range(100, 100 - MAX_SHOWN, -1))
    assert found.verdicts["safe", "unsafe"] == 100


@pytest.mark.parametrize(("one", "other"), [(0, 0), (1, 0), (5, 5), (9, 2), (30, 12), (400, 350)])
def test_mcnemar_is_the_exact_binomial_test(one: int, other: int) -> None:
    total = one + other
    tail = sum(Fraction(comb(total, k), 2**total) for k in range(min(one, other) + 1))
    expected = min(Fraction(1), 2 * tail)
    assert mcnemar_p_value(one, other) == pytest.approx(float(expected), rel=1e-9)
    assert mcnemar_p_value(other, one) == mcnemar_p_value(one, other)


def test_mcnemar_of_large_numbers() -> None:
    assert mcnemar_p_value(100_000, 100_000) == 1.0
    assert 0.0 <= mcnemar_p_value(60_000, 40_000) < 1e-300
