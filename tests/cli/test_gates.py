"""Gates: a metric exactly at its bound meets it, and what there is no metric for misses it."""

from __future__ import annotations

from fractions import Fraction

import pytest

from guardcli.cli.gates import Gates
from guardcli.cli.limits import CountOrFraction
from guardcli.evaluation import EvalConfig, SystemResult, evaluate
from guardcli.evaluation.datasets import LabeledDataset
from tests.evaluation.planted import items, system

# Two of three unsafe are found, one of two safe is flagged: recall 0.6667, false positive rate 0.5.
LABELS, SCORES = (True, True, True, False, False), (0.9, 0.8, 0.1, 0.7, 0.2)


def result_of(*scores: float | None) -> SystemResult:
    config = EvalConfig(num_resamples=10)
    (found,) = evaluate(LabeledDataset(items(LABELS)), [system(scores)], config).results
    return found


def missed(minima: dict[str, float], maxima: dict[str, float]) -> list[str]:
    gates = Gates(minima, maxima, None).check(result_of(*SCORES))
    return [gate.describe_miss() for gate in gates if not gate.passed]


@pytest.mark.parametrize(
    ("minima", "maxima", "told"),
    [
        ({"recall": 2 / 3}, {"fpr": 0.5}, []),
        ({"recall": 0.67}, {}, ["one: recall is 0.6667, below 0.67"]),
        ({}, {"fpr": 0.499}, ["one: false positive rate is 0.5000, above 0.499"]),
        (
            {"precision": 0.7, "f1": 0.6, "auroc": 1.0},
            {"fpr": 0.0},
            [
                "one: precision is 0.6667, below 0.7",
                "one: AUROC is 0.6667, below 1",
                "one: false positive rate is 0.5000, above 0",
            ],
        ),
    ],
)
def test_bounds(minima: dict[str, float], maxima: dict[str, float], told: list[str]) -> None:
    assert missed(minima, maxima) == told


def test_a_metric_that_is_undefined_misses_its_gate() -> None:
    silent = result_of(0.1, 0.1, 0.1, 0.1, 0.1)
    told = [gate.describe_miss() for gate in Gates({"precision": 0.0}, {}, None).check(silent)]
    assert told == ["one: precision is undefined here, but there is a limit for it"]


def test_labels_that_a_gate_needs() -> None:
    gates = Gates({"auprc": 0.5, "recall": 0.5}, {"fpr": 0.5}, None)
    assert [*gates.find_unmeasurable([True, False])] == []
    assert [*gates.find_unmeasurable([True])] == [
        "--min-auprc needs safe records, but there are none",
        "--max-fpr needs safe records, but there are none",
    ]
    assert [*gates.find_unmeasurable([False])] == [
        "--min-auprc needs unsafe records, but there are none",
        "--min-recall needs unsafe records, but there are none",
    ]


@pytest.mark.parametrize(
    ("limit", "unreadable", "exceeded"),
    [
        (None, 0, True),
        (CountOrFraction(1, is_count=True), 0, False),
        (CountOrFraction(1, is_count=True), 1, True),
        (CountOrFraction(Fraction("0.2")), 0, False),
        (CountOrFraction(Fraction("0.2")), 1, True),
    ],
)
def test_records_that_were_not_judged(limit: CountOrFraction | None, unreadable: int, exceeded: bool) -> None:
    assert Gates({}, {}, limit).exceeds_max_errors(result_of(*SCORES[:4], None), unreadable) is exceeded
