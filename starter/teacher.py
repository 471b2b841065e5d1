"""Linear teachers on words and letters: P(unsafe) of a text, and which hazards it would be.

They know texts and labels, and neither tokens nor prompts. `Linear` is also the baseline that the starter must reach.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from starter.data import HAZARDS, Floats, Row

FOLDS = 3
FREEDOM = 4.0  # the inverse of how much weights are held down
MOST = 0.1  # of all texts, the share above which a word says nothing of safe or unsafe


def words(most: float = 1.0) -> TfidfVectorizer:
    """Words and pairs of words that are in at least two texts, and in at most a share of all."""
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, max_df=most, dtype=np.float32)


def letters() -> TfidfVectorizer:
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=4, dtype=np.float32)


@dataclass(frozen=True)
class Linear:
    """TF-IDF and logistic regression."""

    features: TfidfVectorizer
    model: LogisticRegression

    @classmethod
    def fit(cls, rows: Sequence[Row], features: TfidfVectorizer, *, weighted: bool = True) -> Linear:
        matrix = features.fit_transform([row.last for row in rows])
        return cls(features, _regression(matrix, rows, weighted=weighted))

    def scores(self, texts: Sequence[str]) -> Floats:
        """P(unsafe) of each text."""
        found: Floats = self.model.predict_proba(self.features.transform(texts))[:, 1].astype(np.float32)
        return found


@dataclass(frozen=True)
class Teacher:
    """The mean of two linear models, and one more for each hazard, given unsafe."""

    linear: tuple[Linear, Linear]
    hazard: tuple[TfidfVectorizer, LogisticRegression]
    out_of_fold: Floats  # of the rows it was fitted on, P(unsafe) by models that did not see them

    @classmethod
    def fit(cls, rows: Sequence[Row]) -> Teacher:
        models, seen = [], []
        for features, freedom in ((words(MOST), FREEDOM), (letters(), 4 * FREEDOM)):
            matrix = features.fit_transform([row.last for row in rows])
            models.append(Linear(features, _regression(matrix, rows, freedom)))
            seen.append(_out_of_fold(matrix, rows, freedom))
        first, second = models
        return cls((first, second), _hazards(rows), np.mean(seen, axis=0, dtype=np.float32))

    def scores(self, texts: Sequence[str]) -> Floats:
        """P(unsafe) of each text."""
        first, second = (model.scores(texts) for model in self.linear)
        mean: Floats = (first + second) * np.float32(0.5)
        return mean

    def hazards(self, texts: Sequence[str]) -> Floats:
        """For each text, the probability of each hazard, given that it is unsafe: (texts, HAZARDS)."""
        features, model = self.hazard
        found = np.zeros((len(texts), HAZARDS), np.float32)
        found[:, model.classes_ - 1] = model.predict_proba(features.transform(texts))
        return found


def _regression(
    matrix: csr_matrix, rows: Sequence[Row], freedom: float = FREEDOM, *, weighted: bool = True
) -> LogisticRegression:
    weights = [row.weight for row in rows] if weighted else None
    model = LogisticRegression(C=freedom, solver="liblinear", random_state=0)
    return model.fit(matrix, [row.unsafe for row in rows], sample_weight=weights)


def _out_of_fold(matrix: csr_matrix, rows: Sequence[Row], freedom: float) -> Floats:
    fold = np.array([zlib.crc32(row.group.encode()) % FOLDS for row in rows])
    scores = np.zeros(len(rows), np.float32)
    for held in range(FOLDS):
        inside = np.flatnonzero(fold != held)
        model = _regression(matrix[inside], [rows[int(number)] for number in inside], freedom)
        scores[fold == held] = model.predict_proba(matrix[fold == held])[:, 1]
    return scores


def _hazards(rows: Sequence[Row]) -> tuple[TfidfVectorizer, LogisticRegression]:
    known = [row for row in rows if len(row.hazards) == 1 and row.language == "en"]
    features = words()
    matrix = features.fit_transform([row.last for row in known])
    model = LogisticRegression(C=FREEDOM, max_iter=60, random_state=0)
    return features, model.fit(matrix, [min(row.hazards) for row in known])
