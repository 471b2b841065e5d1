"""Evaluate systems on a labeled data set: metrics, thresholds, the worst mistakes, and comparisons with the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from guardcli.evaluation.categories import (
    CategoryAverages,
    CategoryMetrics,
    NativeCategories,
    category_scores,
    compute_category_metrics,
)
from guardcli.evaluation.comparison import mcnemar_p_value
from guardcli.evaluation.datasets import CategoryMap, LabeledDataset, Sample
from guardcli.evaluation.metrics import (
    Bootstrap,
    Interval,
    ThresholdChoice,
    ThresholdObjective,
    UndefinedMetric,
    choose_threshold,
    count_smallest_class,
    paired_difference,
    ranking_statistic,
)
from guardcli.evaluation.slices import Slice, compute_slices
from guardcli.evaluation.system_metrics import Metrics, ScoredSamples, compute_metrics
from guardcli.evaluation.systems import System, with_threshold

MAX_MISTAKES = 15  # of either kind that are kept to be read


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    """What to evaluate besides the metrics.

    Args:
        slice_by: paths of fields whose values make slices.
        objectives: what thresholds are chosen for.
        threshold: used for all systems instead of their own.
        strict: count samples without a verdict as wrong.
        num_resamples: of the bootstrap.
    """

    category_maps: tuple[CategoryMap, ...] = ()
    slice_by: tuple[str, ...] = ()
    objectives: tuple[ThresholdObjective, ...] = ()
    threshold: float | None = None
    strict: bool = False
    num_resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ThresholdPick:
    """The threshold for one score; if `choice` is None, `reason` says why."""

    choice: ThresholdChoice | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectivePicks:
    """The thresholds for one objective: of the score, and of each category that has a verdict of its own."""

    objective: ThresholdObjective
    overall: ThresholdPick
    categories: dict[str, ThresholdPick]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemResult:
    """The evaluation of one system.

    `false_negatives` and `false_positives` are the indices of its worst mistakes: unsafe samples with the lowest
    scores, and safe samples with the highest. `unmapped_categories` counts unsafe samples by the native categories
    that its policy has no category for.
    """

    system: System
    scored: ScoredSamples
    metrics: Metrics
    categories: tuple[CategoryMetrics, ...]
    category_averages: CategoryAverages | None
    unmapped_categories: Counter[str]
    slices: tuple[Slice, ...]
    picks: tuple[ObjectivePicks, ...]
    false_negatives: tuple[int, ...]
    false_positives: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemComparison:
    """A system against the first one, the baseline, over the samples that count for both.

    `auprc` is the difference of AUPRC. `fixed` verdicts are right only for the system, `regressed` ones only for the
    baseline.
    """

    baseline: str
    system: str
    num_samples: int
    auprc: Interval | None
    auprc_p: float | None
    fixed: int
    regressed: int
    mcnemar_p: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The results of all systems on one data set."""

    dataset: LabeledDataset
    config: EvalConfig
    results: tuple[SystemResult, ...]
    comparisons: tuple[SystemComparison, ...]


def evaluate(dataset: LabeledDataset, systems: Sequence[System], config: EvalConfig | None = None) -> Evaluation:
    """Evaluate systems, whose predictions are in the order of the samples, and compare each with the first."""
    config = config or EvalConfig()
    if config.threshold is not None:
        systems = [with_threshold(system, config.threshold) for system in systems]
    bootstrap = Bootstrap(len(dataset.samples), num_resamples=config.num_resamples, seed=config.seed)
    results = tuple(_evaluate_system(dataset.samples, system, config, bootstrap) for system in systems)
    baseline, *others = results
    comparisons = tuple(_compare(dataset.samples, baseline, other, bootstrap) for other in others)
    return Evaluation(dataset, config, results, comparisons)


def _evaluate_system(
    samples: Sequence[Sample], system: System, config: EvalConfig, bootstrap: Bootstrap
) -> SystemResult:
    strict = config.strict
    labels = [sample.unsafe for sample in samples]
    scored = ScoredSamples.from_predictions(labels, system.predictions, range(len(samples)), strict=strict)
    native_categories = NativeCategories.from_samples(
        samples, system.categories, system.taxonomy_name, config.category_maps
    )
    categories, averages = compute_category_metrics(samples, system, native_categories, bootstrap, strict=strict)
    return SystemResult(
        system=system,
        scored=scored,
        metrics=compute_metrics(scored, bootstrap),
        categories=categories,
        category_averages=averages,
        unmapped_categories=native_categories.unmapped,
        slices=tuple(
            one for path in config.slice_by for one in compute_slices(samples, system, path, bootstrap, strict=strict)
        ),
        picks=tuple(_pick_thresholds(samples, system, native_categories, one) for one in config.objectives),
        false_negatives=_worst_mistakes(scored, unsafe=True),
        false_positives=_worst_mistakes(scored, unsafe=False),
    )


def _worst_mistakes(scored: ScoredSamples, *, unsafe: bool) -> tuple[int, ...]:
    """The indices of the samples with this label and the other verdict, the worst scores first."""
    mistakes = [
        (score, index)
        for index, label, score, flagged in zip(
            scored.indices, scored.labels, scored.scores, scored.flagged, strict=True
        )
        if label is unsafe and flagged is not unsafe
    ]
    mistakes.sort(reverse=not unsafe)
    return tuple(index for _, index in mistakes[:MAX_MISTAKES])


def _pick_thresholds(
    samples: Sequence[Sample], system: System, native_categories: NativeCategories, objective: ThresholdObjective
) -> ObjectivePicks:
    """Choose on the records that were judged as a whole: the score of a partly judged one may be too low."""
    whole = [
        (sample, prediction)
        for sample, prediction in zip(samples, system.predictions, strict=True)
        if not prediction.partial
    ]
    scored = [(sample.unsafe, one.score) for sample, one in whole if one.score is not None]
    overall = _pick([label for label, _ in scored], [score for _, score in scored], objective)
    by_category = {}
    for label in system.categories.labels if system.per_category else ():
        scores = category_scores([sample for sample, _ in whole], [one for _, one in whole], native_categories, label)
        if any(one.applies for one in scores):
            by_category[label] = _pick([one.applies for one in scores], [one.score for one in scores], objective)
    return ObjectivePicks(objective, overall, by_category)


def _pick(labels: Sequence[bool], scores: Sequence[float], objective: ThresholdObjective) -> ThresholdPick:
    try:
        choice = choose_threshold(labels, scores, objective)
    except UndefinedMetric as error:
        return ThresholdPick(None, str(error))
    return ThresholdPick(choice, None if choice else f"no threshold reaches {objective}")


def _compare(
    samples: Sequence[Sample], baseline: SystemResult, other: SystemResult, bootstrap: Bootstrap
) -> SystemComparison:
    in_other = set(other.scored.indices)
    indices = [index for index in baseline.scored.indices if index in in_other]
    labels = [samples[index].unsafe for index in indices]
    baseline_scores, other_scores = (_scores_at(result.scored, indices) for result in (baseline, other))
    baseline_right, other_right = (
        [flagged is label for flagged, label in zip(_flagged_at(result.scored, indices), labels, strict=True)]
        for result in (baseline, other)
    )
    regressed = sum(was and not now for was, now in zip(baseline_right, other_right, strict=True))
    fixed = sum(now and not was for was, now in zip(baseline_right, other_right, strict=True))
    auprc, auprc_p = None, None
    try:
        baseline_value, baseline_statistic = ranking_statistic("auprc", labels, baseline_scores)
        other_value, other_statistic = ranking_statistic("auprc", labels, other_scores)
    except UndefinedMetric:
        pass
    else:
        distribution = bootstrap.distribution(lambda w: other_statistic(w) - baseline_statistic(w), indices)
        auprc, auprc_p = paired_difference(
            other_value - baseline_value, distribution, smallest_class=count_smallest_class(labels)
        )
    return SystemComparison(
        baseline=baseline.system.name,
        system=other.system.name,
        num_samples=len(indices),
        auprc=auprc,
        auprc_p=auprc_p,
        fixed=fixed,
        regressed=regressed,
        mcnemar_p=mcnemar_p_value(regressed, fixed),
    )


def _scores_at(scored: ScoredSamples, indices: Sequence[int]) -> list[float]:
    scores = dict(zip(scored.indices, scored.scores, strict=True))
    return [scores[index] for index in indices]


def _flagged_at(scored: ScoredSamples, indices: Sequence[int]) -> list[bool]:
    flagged = dict(zip(scored.indices, scored.flagged, strict=True))
    return [flagged[index] for index in indices]
