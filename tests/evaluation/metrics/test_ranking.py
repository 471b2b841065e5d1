"""AUPRC, AUROC and the curve against scikit-learn's."""

import warnings

import numpy as np
import pytest
import sklearn.metrics
from sklearn.metrics import average_precision_score, roc_auc_score

from guardcli.evaluation.metrics import UndefinedMetric, auroc, average_precision, precision_recall_curve
from guardcli.evaluation.metrics.arrays import RankedScores
from guardcli.evaluation.metrics.ranking import aurocs, average_precisions


def cases(number):
    """Labels and scores of any prevalence, half of them with many ties, some with all scores alike."""
    draw = np.random.default_rng(5)
    for at in range(number):
        size = int(draw.integers(2, 150))
        labels = draw.random(size) < draw.random()
        labels[:2] = True, False
        scores = draw.normal(size=size) + labels * draw.random()
        yield labels, np.round(scores, at % 3) if at % 2 else scores * (at % 10 > 0)


@pytest.mark.slow
def test_2000_random_cases_are_those_of_scikit_learn():
    for labels, scores in cases(2000):
        assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
        assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_the_curve_is_that_of_scikit_learn():
    for labels, scores in cases(300):
        curve = precision_recall_curve(labels, scores)
        precision, recall, thresholds = sklearn.metrics.precision_recall_curve(labels, scores)
        assert curve.thresholds[::-1] == pytest.approx(thresholds)
        assert curve.precision[::-1] == pytest.approx(precision[:-1])
        assert curve.recall[::-1] == pytest.approx(recall[:-1])


@pytest.mark.slow
def test_weights_count_an_item_as_often_as_it_was_drawn():
    draw = np.random.default_rng(6)
    for labels, scores in cases(200):
        weights = draw.integers(0, 3, size=(4, len(labels)))
        ranked = RankedScores.from_scores(labels, scores)
        found = average_precisions(ranked, weights.astype(float)), aurocs(ranked, weights.astype(float))
        for row, drawn in enumerate(weights):
            often = np.repeat(labels, drawn), np.repeat(scores, drawn)
            if often[0].any():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    assert found[0][row] == pytest.approx(average_precision_score(*often), abs=1e-12)
            else:
                assert np.isnan(found[0][row])
            if often[0].any() and not often[0].all():
                assert found[1][row] == pytest.approx(roc_auc_score(*often), abs=1e-12)
            else:
                assert np.isnan(found[1][row])


@pytest.mark.parametrize("figure", [average_precision, auroc, precision_recall_curve])
@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [
        ([], [], "there are no items"),
        ([True, True], [0.1, 0.2], "all 2 items are unsafe"),
        ([False], [0.1], "all 1 items are safe"),
        ([True, False], [0.1, float("nan")], "a score is not finite"),
        ([True, False], [0.1, float("inf")], "a score is not finite"),
    ],
)
def test_an_undefined_metric_has_a_reason(figure, labels, scores, reason):
    with pytest.raises(UndefinedMetric, match=reason):
        figure(labels, scores)


def test_labels_and_scores_go_together():
    with pytest.raises(ValueError, match="do not go with"):
        auroc([True, False], [0.5])
