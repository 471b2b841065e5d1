import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from guardcli.evaluation.metrics import Counts


def test_the_shares_are_those_of_scikit_learn():
    draw = np.random.default_rng(1)
    for _ in range(300):
        labels, flagged = draw.random((2, int(draw.integers(1, 60)))) < draw.random()
        counts = Counts.of(labels, flagged)
        assert counts.total == len(labels)
        wanted = {
            "precision": precision_score(labels, flagged, zero_division=np.nan),
            "recall": recall_score(labels, flagged, zero_division=np.nan),
            "f1": f1_score(labels, flagged, zero_division=np.nan),
            "fpr": flagged[~labels].mean() if not labels.all() else np.nan,
        }
        for name, value in wanted.items():
            found = getattr(counts, name)
            assert (found is None) if np.isnan(value) else found == pytest.approx(value), name


def test_pairs_must_match():
    with pytest.raises(ValueError, match="shorter"):
        Counts.of([True], [])
