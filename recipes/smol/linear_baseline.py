"""The baseline: TF-IDF over words and word pairs with logistic regression, fitted on the same records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from recipes.smol.records import Record

_INVERSE_REGULARIZATION = 4.0


class LinearBaseline:
    """P(unsafe) of the judged message alone."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, dtype=np.float32)
        matrix = self._features.fit_transform([record.text for record in records])
        self._model = LogisticRegression(C=_INVERSE_REGULARIZATION, max_iter=1000, class_weight="balanced")
        self._model.fit(matrix, [record.unsafe for record in records])

    def scores(self, records: Sequence[Record]) -> NDArray[np.float64]:
        """P(unsafe) of each record (n,)."""
        matrix = self._features.transform([record.text for record in records])
        probabilities: NDArray[np.float64] = self._model.predict_proba(matrix)[:, 1].astype(np.float64)
        return probabilities
