import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from guardcli.evaluation.metrics import ConfusionMatrix


@pytest.mark.slow
def test_the_ratios_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(300):
        labels, flagged = rng.random((2, int(rng.integers(1, 60)))) < rng.random()
        confusion = ConfusionMatrix.from_predictions(labels, flagged)
        assert confusion.total == len(labels)
        expected = {
            "precision": precision_score(labels, flagged, zero_division=np.nan),
            "recall": recall_score(labels, flagged, zero_division=np.nan),
            "f1": f1_score(labels, flagged, zero_division=np.nan),
            "fpr": flagged[~labels].mean() if not labels.all() else np.nan,
        }
        for name, value in expected.items():
            actual = getattr(confusion, name)
            assert (actual is None) if np.isnan(value) else actual == pytest.approx(value), name


def test_pairs_must_match():
    with pytest.raises(ValueError, match="shorter"):
        ConfusionMatrix.from_predictions([True], [])
