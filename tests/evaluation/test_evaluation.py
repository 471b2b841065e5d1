"""Figures of planted scores: what they are, of which items, and what two systems differ in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from guardcli.errors import InputError
from guardcli.evaluation import EvalConfig, Evaluation, System, evaluate
from guardcli.evaluation.datasets import LabeledDataset, Sample
from guardcli.evaluation.metrics import ConfusionMatrix, ThresholdObjective
from tests.evaluation.planted import item, items, system

DRAW = np.random.default_rng(0)
TRUTH = [bool(one) for one in DRAW.random(200) < 0.4]
SCORES = [float(one) for one in np.clip(DRAW.normal(0.4, 0.2, 200) + 0.2 * np.array(TRUTH), 0, 1)]
BETTER = [float(one) for one in np.clip(np.array(SCORES) * 0.5 + 0.4 * np.array(TRUTH), 0, 1)]


def evaluated(found: tuple[Sample, ...], *systems: System, **config: object) -> Evaluation:
    return evaluate(LabeledDataset(found), systems, EvalConfig(**config))  # type: ignore[arg-type]


def test_the_figures_are_those_of_the_scores() -> None:
    (result,) = evaluated(items(TRUTH), system(SCORES)).results
    metrics = result.metrics
    assert metrics.auprc is not None
    assert metrics.auroc is not None
    assert metrics.auprc.value == pytest.approx(average_precision_score(TRUTH, SCORES))
    assert metrics.auroc.value == pytest.approx(roc_auc_score(TRUTH, SCORES))
    assert metrics.auprc.low < metrics.auprc.value < metrics.auprc.high
    assert metrics.confusion == ConfusionMatrix.from_predictions(TRUTH, [score >= 0.5 for score in SCORES])
    assert metrics.f1 is not None
    assert metrics.f1.value == metrics.confusion.f1
    assert (metrics.num_samples, metrics.num_errors, metrics.undefined_reason) == (200, 0, None)


def test_the_same_seed_gives_the_same_intervals() -> None:
    one, two, other = (evaluated(items(TRUTH), system(SCORES), seed=seed).results[0].metrics for seed in (1, 1, 2))
    assert one == two != other


def test_unjudged_records_are_left_out_or_count_as_wrong() -> None:
    scores = [0.9, None, 0.1, None]
    found = items([True, True, False, False])
    (beside,) = evaluated(found, system(scores)).results
    assert (beside.metrics.confusion, beside.metrics.num_errors) == (ConfusionMatrix(tp=1, tn=1), 2)
    assert beside.metrics.auprc is not None
    assert beside.metrics.auprc.value == 1
    (wrong,) = evaluated(found, system(scores), strict=True).results
    assert (wrong.metrics.confusion, wrong.metrics.num_errors) == (ConfusionMatrix(tp=1, fp=1, fn=1, tn=1), 2)
    assert wrong.metrics.auprc is not None
    assert wrong.metrics.auprc.value == pytest.approx(average_precision_score([1, 1, 0, 0], [0.9, -1, 0.1, 2]))


@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [
        ([True, True], [0.2, 0.9], "all 2 items are unsafe"),
        ([False], [0.2], "all 1 items are safe"),
        ([True, False], [None, None], "there are no items"),
    ],
)
def test_where_a_figure_has_no_meaning_it_is_none(labels: list[bool], scores: list[float | None], reason: str) -> None:
    (result,) = evaluated(items(labels), system(scores)).results
    assert (result.metrics.auprc, result.metrics.auroc, result.metrics.undefined_reason) == (None, None, reason)


def test_another_threshold_is_for_every_system() -> None:
    found = evaluated(items(TRUTH), system(SCORES), system(BETTER), threshold=0.3)
    assert [one.system.threshold for one in found.results] == [0.3, 0.3]
    assert found.results[0].metrics.confusion == ConfusionMatrix.from_predictions(
        TRUTH, [score >= 0.3 for score in SCORES]
    )


def test_systems_are_compared_with_the_first_on_what_both_judged() -> None:
    without = [None, *BETTER[1:]]
    (better, same) = evaluated(items(TRUTH), system(SCORES), system(without), system(SCORES, name="same")).comparisons
    assert (better.baseline, better.num_samples, same.num_samples) == ("one", 199, 200)
    assert better.auprc is not None
    assert better.auprc_p is not None
    difference = average_precision_score(TRUTH[1:], BETTER[1:]) - average_precision_score(TRUTH[1:], SCORES[1:])
    assert better.auprc.value == pytest.approx(difference)
    assert better.auprc_p < 0.01
    right = [[(score >= 0.5) == label for score, label in zip(s, TRUTH, strict=True)][1:] for s in (SCORES, BETTER)]
    assert better.fixed == sum(now and not was for was, now in zip(*right, strict=True))
    assert better.regressed == sum(was and not now for was, now in zip(*right, strict=True))
    assert (same.auprc_p, same.fixed, same.regressed, same.mcnemar_p) == (1.0, 0, 0, 1.0)


def test_mistakes_are_the_worst_first() -> None:
    labels, scores = [True, True, True, False, False], [0.4, 0.1, 0.9, 0.6, 0.8]
    (result,) = evaluated(items(labels), system(scores)).results
    assert (result.false_negatives, result.false_positives) == ((1, 0), (4, 3))


CATEGORIES = [
    (item(1, True, "S1"), {"S1": 0.9, "S2": 0.1, "S3": 0.0}),
    (item(2, True, "S2"), {"S1": 0.6, "S2": 0.5, "S3": 0.0}),
    (item(3, False), {"S1": 0.3, "S2": 0.6, "S3": 0.0}),
    (item(4, True, "other"), {"S1": 0.95, "S2": 0.2, "S3": 0.0}),
    (item(5, True), {"S1": 0.99, "S2": 0.99, "S3": 0.0}),  # nobody said of what category
]


def test_one_against_all_and_one_against_the_benign() -> None:
    found = tuple(one for one, _ in CATEGORIES)
    scores = [scores for _, scores in CATEGORIES]
    (result,) = evaluated(found, system([0.9] * 5, categories=scores)).results
    by_label = {one.label: one for one in result.categories}
    assert list(by_label) == ["S1", "S2"]  # no item is of S3
    one, two = by_label["S1"], by_label["S2"]
    assert None not in (one.one_vs_all, one.one_vs_benign, two.one_vs_all, two.one_vs_benign)
    assert one.one_vs_all.value == pytest.approx(average_precision_score([1, 0, 0, 0], [0.9, 0.6, 0.3, 0.95]))  # type: ignore[union-attr]
    assert one.one_vs_benign.value == 1  # type: ignore[union-attr]
    assert two.one_vs_all.value == pytest.approx(average_precision_score([0, 1, 0, 0], [0.1, 0.5, 0.6, 0.2]))  # type: ignore[union-attr]
    assert two.one_vs_benign.value == 0.5  # type: ignore[union-attr]
    assert (one.num_positives, one.listed, two.listed) == (1, 1.0, 0.0)
    assert result.unmapped_categories == {"other": 1}
    averages = result.category_averages
    assert averages is not None
    assert averages.macro_one_vs_benign is not None
    assert averages.macro_one_vs_benign.value == 0.75
    assert averages.micro_one_vs_all is not None
    assert averages.micro_one_vs_all.value == pytest.approx(
        average_precision_score([1, 0, 0, 0, 0, 1, 0, 0], [0.9, 0.6, 0.3, 0.95, 0.1, 0.5, 0.6, 0.2])
    )


def test_what_is_not_judged_counts_as_wrong_in_each_category_too() -> None:
    """What is unsafe as if called safe, below all scores of any category and not listed, and what is safe above them;
    neither by default. What nobody knows the category of (the fifth) counts for none."""
    found = (
        item(1, True, "S1"),
        item(2, True, "S1"),
        item(3, False),
        item(4, False),
        item(5, True),
        item(6, True, "S2"),
    )
    scores = [{"S1": 0.9, "S2": 0.1}, None, {"S1": 0.3, "S2": 7.0}, None, None, None]
    planted = system([0.9, None, 0.3, None, None, None], categories=scores)
    for strict, labels, ranked, listed in (
        (False, [1, 0], [0.9, 0.3], 1.0),
        (True, [1, 1, 0, 0, 0], [0.9, -1, 0.3, 8, -1], 0.5),
    ):
        (result,) = evaluated(found, planted, strict=strict).results
        one = result.categories[0]
        assert (one.num_positives, one.listed) == (sum(labels), listed)
        assert one.one_vs_all is not None
        assert one.one_vs_all.value == pytest.approx(average_precision_score(labels, ranked))
    assert result.category_averages is not None
    assert result.category_averages.micro_one_vs_all is not None
    both = [1, 1, 0, 0, 0, 0, 0, 0, 0, 1], [0.9, -1, 0.3, 8, -1, 0.1, -1, 7, 8, -1]
    assert result.category_averages.micro_one_vs_all.value == pytest.approx(average_precision_score(*both))


def test_a_system_without_category_scores_has_none_when_errors_count() -> None:
    found = (item(1, True, "S1"), item(2, True, "S1"), item(3, False))
    (result,) = evaluated(found, system([0.9, None, 0.1]), strict=True).results
    assert (result.categories, result.category_averages) == ((), None)


def test_a_missing_annotation_is_not_a_negative() -> None:
    """An item with flags of other categories only does not count against a category, safe or not."""
    found = (item(1, True, "S1", listed=False), item(2, False, listed=False), item(3, True, "S2", listed=False))
    scores = [{"S1": 0.5, "S2": 0.5}] * 3
    (result,) = evaluated(found, system([0.9] * 3, categories=scores)).results
    assert [(one.label, one.num_positives, one.one_vs_all) for one in result.categories] == [
        ("S1", 1, None),
        ("S2", 1, None),
    ]


def test_thresholds_by_category_only_where_categories_are_asked_one_by_one() -> None:
    found = tuple(one for one, _ in CATEGORIES)
    scores = [scores for _, scores in CATEGORIES]
    picks = {}
    for per_category in (False, True):
        planted = system([0.9, 0.6, 0.3, 0.95, 0.99], categories=scores, per_category=per_category)
        (result,) = evaluated(
            found, planted, objectives=(ThresholdObjective("f1"), ThresholdObjective("precision", 1.0))
        ).results
        picks[per_category] = result.picks
    assert picks[False][0].categories == {}
    assert set(picks[True][0].categories) == {"S1", "S2"}
    best = picks[True][0].overall.choice
    assert best is not None
    assert best.confusion == ConfusionMatrix(tp=4, tn=1)
    assert picks[True][1].categories["S1"].reason == "no threshold reaches precision=1"


def test_harmless_items_of_another_set_count_against_every_category() -> None:
    """And of harmful ones of a set that does not have the category nobody knows."""
    found = (
        item(1, True, "S1"),
        replace(item(2, False), dataset_names=("b",)),
        replace(item(3, True, "x"), dataset_names=("b",)),
    )
    scores = [{"S1": 0.9}, {"S1": 0.2}, {"S1": 0.95}]
    (result,) = evaluated(found, system([0.9, 0.2, 0.9], categories=scores)).results
    assert result.categories[0].one_vs_all is not None
    assert result.categories[0].one_vs_all.value == 1


def test_no_threshold_is_chosen_by_what_was_not_judged() -> None:
    found = items([True, True, False])
    (result,) = evaluated(
        found, system([0.9, None, 0.2]), strict=True, objectives=(ThresholdObjective("recall", 1.0),)
    ).results
    choice = result.picks[0].overall.choice
    assert choice is not None
    assert (choice.threshold, choice.confusion) == (0.9, ConfusionMatrix(tp=1, tn=1))


def test_a_field_with_many_values_is_rejected() -> None:
    found = tuple(item(at, True, x=at) for at in range(300))
    with pytest.raises(InputError, match=r"EvalConfig\(slice_by=\(\"x\",\)\): it has 300 values"):
        evaluated(found, system([0.5] * 300), slice_by=("x",))


def test_slices_and_the_gap_to_english() -> None:
    languages = ["en" if at % 2 else "th" for at in range(200)]
    found = tuple(item(at, label, lang=lang) for at, (label, lang) in enumerate(zip(TRUTH, languages, strict=True)))
    worse = [score if lang == "en" else 1 - score for score, lang in zip(BETTER, languages, strict=True)]
    (result,) = evaluated(found, system(worse), slice_by=("lang",)).results
    by_value = {one.value: one for one in result.slices}
    assert set(by_value) == {"en", "th"}
    assert by_value["en"].gap is None
    gap = by_value["th"].gap
    assert gap is not None
    assert by_value["th"].metrics.auprc is not None
    assert by_value["en"].metrics.auprc is not None
    assert gap.value == pytest.approx(by_value["th"].metrics.auprc.value - by_value["en"].metrics.auprc.value)
    assert gap.high < 0
    assert by_value["th"].metrics.num_samples == 100
