"""Metrics by category, in the two ways of the Llama Guard paper (arXiv 2312.06674, 4.2).

One vs all ranks the samples of a category above all others, other violations included. One vs benign ranks them above
the safe samples only, which is fair to systems whose categories are divided in another way.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from guardcli.evaluation.datasets import CategoryIndex, CategoryMap, Sample
from guardcli.evaluation.metrics import (
    Bootstrap,
    Floats,
    Interval,
    UndefinedMetric,
    count_smallest_class,
    percentile_interval,
    ranking_statistic,
)
from guardcli.evaluation.system_metrics import worst_scores
from guardcli.evaluation.systems import Prediction, System


class _Auprc(NamedTuple):
    """An AUPRC with its bootstrap distribution, and how many samples the rarer label has."""

    value: float
    distribution: Floats
    smallest_class: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryMetrics:
    """The metrics of one category; `listed` is the fraction of its `num_positives` that the system listed it for."""

    label: str
    num_positives: int
    one_vs_all: Interval | None
    one_vs_benign: Interval | None
    listed: float | None


@dataclass(frozen=True, slots=True)
class CategoryAverages:
    """Averages over categories: macro is the mean of their AUPRCs, micro the AUPRC of all their samples together."""

    macro_one_vs_all: Interval | None
    macro_one_vs_benign: Interval | None
    micro_one_vs_all: Interval | None
    micro_one_vs_benign: Interval | None


@dataclass(frozen=True, slots=True)
class NativeCategories:
    """Which native categories of the data sets make up each category of a policy.

    `by_label` is by (data set, the policy's label). `unmapped` counts unsafe samples by the native categories that the
    policy has no category for.
    """

    by_label: Mapping[tuple[str, str], frozenset[str]]
    unmapped: Counter[str]
    category_map: CategoryMap

    @classmethod
    def from_samples(
        cls,
        samples: Sequence[Sample],
        categories: CategoryIndex,
        taxonomy_name: str | None,
        category_maps: Sequence[CategoryMap],
    ) -> NativeCategories:
        """Map the native categories of samples to those of a policy.

        Of several maps the one made for the policy is used, else the first that is made for none in particular.

        Raises:
            InputError: a map contradicts the policy's own names.
        """
        fitting = [one for one in category_maps if one.policy in (taxonomy_name, None)]
        category_map = max(fitting, key=lambda one: one.policy is not None, default=CategoryMap())
        by_label: dict[tuple[str, str], set[str]] = {}
        labels: dict[tuple[str, str], str | None] = {}  # by (data set, native category)
        unmapped: Counter[str] = Counter()
        for sample in samples:
            dataset = category_map.dataset_key(sample.dataset_names)
            for native, applies in sample.ground_truth.annotations.items():
                if (dataset, native) not in labels:
                    labels[dataset, native] = category_map.label(native, dataset, categories)
                label = labels[dataset, native]
                if label is not None:
                    by_label.setdefault((dataset, label), set()).add(native)
                elif applies and sample.unsafe:
                    unmapped[native] += 1
        return cls({key: frozenset(names) for key, names in by_label.items()}, unmapped, category_map)

    def applies(self, sample: Sample, label: str) -> bool | None:
        """Whether a category of the policy applies to a sample; None where that is not annotated.

        Where the data set does not have the category, it does not apply to safe samples, and nothing is known of
        unsafe ones.
        """
        names = self.by_label.get((self.category_map.dataset_key(sample.dataset_names), label))
        if names is None:
            return False if sample.ground_truth.exhaustive and not sample.unsafe else None
        return sample.ground_truth.applies(names)


class CategoryScore(NamedTuple):
    """The score of one sample for one category; `sample_index` is its place in the data set."""

    sample_index: int
    applies: bool
    benign: bool
    score: float


def compute_category_metrics(
    samples: Sequence[Sample],
    system: System,
    native_categories: NativeCategories,
    bootstrap: Bootstrap,
    *,
    strict: bool,
) -> tuple[tuple[CategoryMetrics, ...], CategoryAverages | None]:
    """The metrics of each category that applies to a sample, and their averages; none if the system scores none.

    Samples without a verdict count as wrong (`strict`), or not at all.
    """
    metrics: list[CategoryMetrics] = []
    missing_scores = _missing_scores(system) if strict else None
    one_vs_all: list[list[CategoryScore]] = []
    one_vs_benign: list[list[CategoryScore]] = []
    for label in system.categories.labels:
        scores = category_scores(samples, system.predictions, native_categories, label, missing_scores)
        positives = [score.sample_index for score in scores if score.applies]
        if not positives:
            continue
        one_vs_all.append(scores)
        one_vs_benign.append([score for score in scores if score.applies or score.benign])
        listed = sum(label in system.predictions[index].listed for index in positives) / len(positives)
        metrics.append(
            CategoryMetrics(
                label=label, num_positives=len(positives), one_vs_all=None, one_vs_benign=None, listed=listed
            )
        )
    if not metrics:
        return (), None
    ways = (one_vs_all, one_vs_benign)
    auprcs_all, auprcs_benign = ([_auprc(scores, bootstrap) for scores in way] for way in ways)
    micro = [_interval(_auprc([score for scores in way for score in scores], bootstrap)) for way in ways]
    averages = CategoryAverages(
        macro_one_vs_all=_macro_average(auprcs_all),
        macro_one_vs_benign=_macro_average(auprcs_benign),
        micro_one_vs_all=micro[0],
        micro_one_vs_benign=micro[1],
    )
    return tuple(
        replace(one, one_vs_all=_interval(auprc_all), one_vs_benign=_interval(auprc_benign))
        for one, auprc_all, auprc_benign in zip(metrics, auprcs_all, auprcs_benign, strict=True)
    ), averages


def _missing_scores(system: System) -> tuple[float, float] | None:
    """The scores that replace a missing one, for an unsafe and for a safe sample; None if the system has no scores."""
    scores = [score for one in system.predictions for score in (one.category_scores or {}).values()]
    return worst_scores(scores) if scores else None


def category_scores(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    native_categories: NativeCategories,
    label: str,
    missing_scores: tuple[float, float] | None = None,
) -> list[CategoryScore]:
    """The scores for one category, of the samples of which it is known whether it applies.

    Samples without a verdict get one of the `missing_scores`, for unsafe and for safe ones; or are left out.
    """
    scores = []
    for index, (sample, prediction) in enumerate(zip(samples, predictions, strict=True)):
        score = (prediction.category_scores or {}).get(label)
        if missing_scores is not None and prediction.score is None:
            score = missing_scores[0] if sample.unsafe else missing_scores[1]
        applies = native_categories.applies(sample, label)
        if score is not None and applies is not None:
            scores.append(CategoryScore(sample_index=index, applies=applies, benign=not sample.unsafe, score=score))
    return scores


def _auprc(scores: Sequence[CategoryScore], bootstrap: Bootstrap) -> _Auprc | None:
    """None where there is one class only."""
    labels = [one.applies for one in scores]
    try:
        value, statistic = ranking_statistic("auprc", labels, [one.score for one in scores])
    except UndefinedMetric:
        return None
    distribution = bootstrap.distribution(statistic, [one.sample_index for one in scores])
    return _Auprc(value, distribution, count_smallest_class(labels))


def _interval(auprc: _Auprc | None) -> Interval | None:
    if auprc is None:
        return None
    return percentile_interval(auprc.value, auprc.distribution, smallest_class=auprc.smallest_class)


def _macro_average(auprcs: Sequence[_Auprc | None]) -> Interval | None:
    defined = [auprc for auprc in auprcs if auprc is not None]
    if not defined:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample without a sample of any category
        distribution: Floats = np.nanmean([auprc.distribution for auprc in defined], axis=0)
    return percentile_interval(sum(auprc.value for auprc in defined) / len(defined), distribution)
