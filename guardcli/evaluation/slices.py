"""The metrics of one system by the values of a field, such as the language, and the gap of each to English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guardcli.errors import InputError, setting
from guardcli.evaluation.datasets import Sample, get_field, has_field, missing_field_message
from guardcli.evaluation.datasets.label_values import is_empty
from guardcli.evaluation.metrics import (
    Bootstrap,
    Interval,
    UndefinedMetric,
    count_smallest_class,
    paired_difference,
    ranking_statistic,
)
from guardcli.evaluation.system_metrics import Metrics, ScoredSamples, compute_metrics
from guardcli.evaluation.systems import System

MAX_SLICES = 200  # by one field

_MISSING = "-"
_ENGLISH = ("en", "eng", "english", "en-us", "en-gb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The samples with one value of a field, `num_unsafe` of which are labeled unsafe.

    `gap` is their AUPRC minus that of the English samples, where the field has English. AUPRC also rises with the
    fraction of unsafe samples.
    """

    field: str
    value: str
    num_unsafe: int
    metrics: Metrics
    gap: Interval | None = None
    gap_p: float | None = None


def compute_slices(
    samples: Sequence[Sample], system: System, path: str, bootstrap: Bootstrap, *, strict: bool
) -> list[Slice]:
    """A slice for each value, the most frequent first; the samples without a value have "-".

    Raises:
        InputError: as `group_by_field`.
    """
    groups = group_by_field(samples, path)
    labels = [sample.unsafe for sample in samples]
    by_size = sorted(groups.items(), key=lambda group: -len(group[1]))
    scored = {
        value: ScoredSamples.from_predictions(labels, system.predictions, indices, strict=strict)
        for value, indices in by_size
    }
    english = next((scored[value] for value, _ in by_size if value.casefold() in _ENGLISH), None)
    slices = []
    for value, indices in by_size:
        gap, gap_p = None, None
        if english is not None and scored[value] is not english:
            gap, gap_p = _gap(scored[value], english, bootstrap)
        slices.append(
            Slice(
                field=path,
                value=value,
                num_unsafe=sum(labels[index] for index in indices),
                metrics=compute_metrics(scored[value], bootstrap),
                gap=gap,
                gap_p=gap_p,
            )
        )
    return slices


def group_by_field(samples: Sequence[Sample], path: str) -> dict[str, list[int]]:
    """The indices of the samples by the value of a field.

    Raises:
        InputError: no sample has a value there, or there are too many values.
    """
    slice_by = setting("EvalConfig.slice_by", [path])
    groups: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault(_slice_value(sample, path), []).append(index)
    if set(groups) == {_MISSING}:
        if not any(has_field(sample.fields, path) for sample in samples):
            raise InputError(missing_field_message(slice_by, path, samples[0].fields), code="option/field-not-found")
        raise InputError(f"{slice_by}: no labeled record has a value there to slice by", code="option/field-not-found")
    if len(groups) > MAX_SLICES:
        raise InputError(
            f"{slice_by}: it has {len(groups):,} values: slice by a field with at most {MAX_SLICES}",
            code="option/invalid",
        )
    return groups


def _gap(scored: ScoredSamples, english: ScoredSamples, bootstrap: Bootstrap) -> tuple[Interval | None, float | None]:
    try:
        value, statistic = ranking_statistic("auprc", scored.labels, scored.scores)
        english_value, english_statistic = ranking_statistic("auprc", english.labels, english.scores)
    except UndefinedMetric:
        return None, None
    distribution = bootstrap.distribution(statistic, scored.indices)
    english_distribution = bootstrap.distribution(english_statistic, english.indices)
    smallest_class = min(count_smallest_class(one.labels) for one in (scored, english))
    return paired_difference(value - english_value, distribution - english_distribution, smallest_class=smallest_class)


def _slice_value(sample: Sample, path: str) -> str:
    value = get_field(sample.fields, path)
    return _MISSING if is_empty(value) or isinstance(value, (dict, list)) else str(value).strip() or _MISSING
