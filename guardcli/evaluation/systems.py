"""Systems and their predictions, from the rows of a run or from another tool's scores in the records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from guardcli.errors import InputError, setting
from guardcli.evaluation.datasets import (
    CategoryIndex,
    Sample,
    get_field,
    has_field,
    missing_field_message,
)
from guardcli.evaluation.datasets.label_values import is_missing, parse_structure
from guardcli.judging import highest_scores
from guardcli.judging.decision import DecisionRule
from guardcli.judging.reader import group_by_record
from guardcli.judging.redecision import redecide
from guardcli.judging.verdict import RecordKey, Verdict

NO_VERDICT = "no verdict in the run"
_ROUNDING_ERROR = 1e-6  # how far outside [0, 1] a probability may be, as sums of a softmax in float32 are


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a system says of one sample.

    `score` and `unsafe` are None where there is no verdict, and `error` says why. `category_scores` are by label:
    P(unsafe and this category listed first) or, for a system that judges per category, P(unsafe).

    `score` and `category_scores` are compared with thresholds, and so are calibrated if the rows are. `raw_score` is
    not calibrated, and None for another tool.

    `partial`: a message of the record could not be judged, so the record is never safe, at any threshold.
    `verdicts` are the rows that it was made of, for another threshold; empty for another tool.
    """

    score: float | None
    unsafe: bool | None
    listed: frozenset[str] = frozenset()
    category_scores: Mapping[str, float] | None = None
    error: str | None = None
    partial: bool = False
    verdicts: tuple[Verdict, ...] = ()

    @property
    def raw_score(self) -> float | None:
        if self.score is None or not self.verdicts:
            return None
        return _worst_row(self.verdicts).score


@dataclass(frozen=True, slots=True)
class System:
    """One of the systems that are compared, with its predictions in the order of the samples.

    `per_category`: its category scores are verdicts of their own, with their own thresholds. `seconds` and `tokens`
    are known for a run made now. `taxonomy_name` is the policy that it judged by.
    """

    name: str
    predictions: tuple[Prediction, ...]
    categories: CategoryIndex
    threshold: float
    per_category: bool = False
    seconds: float | None = None
    tokens: int | None = None
    taxonomy_name: str | None = None

    @property
    def num_errors(self) -> int:
        return sum(prediction.score is None for prediction in self.predictions)


def system_from_rows(
    name: str, samples: Sequence[Sample], rows: Iterable[Verdict], *, categories: CategoryIndex | None = None
) -> System:
    """The system that made the rows of one run, which are joined to the samples by source, line and part.

    If both have only one source, its name does not matter: it may have been stdin. Without `categories`, they are the
    labels in the rows.

    Raises:
        InputError: the rows are of other data: no row matches, or a row at a sample's location has another id.
    """
    by_key: dict[RecordKey, list[Verdict]] = {}
    for key, record_rows in group_by_record(rows):
        if key in by_key:
            raise InputError(
                f"{name}: line {key[1]} of {key[0]} has rows in two files: give one run at a time",
                code="eval/rows-not-matched",
            )
        by_key[key] = record_rows
    sources = {sample.key.source for sample in samples}, {key[0] for key in by_key}
    if sources[0] != sources[1] and len(sources[0]) == len(sources[1]) == 1:
        (source,) = sources[0]
        by_key = {(source, line, part): record_rows for (_, line, part), record_rows in by_key.items()}
    predictions = [_join_rows(sample, by_key) for sample in samples]
    if not any(prediction.error != NO_VERDICT for prediction in predictions):
        raise InputError(
            f"{name}: no row belongs to the labeled data; rows are joined by `source`, `line` and `part`",
            code="eval/rows-not-matched",
        )
    first = next(iter(by_key.values()))[0]
    labels = dict.fromkeys(
        label for record_rows in by_key.values() for row in record_rows for label in _category_scores(row)
    )
    return System(
        name=name,
        predictions=tuple(predictions),
        categories=categories or CategoryIndex.from_labels(labels),
        threshold=first.threshold,
        per_category=first.provenance.scoring == "per_category",
        taxonomy_name=first.provenance.taxonomy or None,
    )


def system_from_field(name: str, samples: Sequence[Sample], path: str, *, threshold: float = 0.5) -> System:
    """Another tool as a system, by its probabilities in a field of the records.

    Of an object of numbers, such as OpenAI's `category_scores`, the highest is the score, and its names are the
    categories. True and false count as 1 and 0. A record without a score has no verdict.

    Raises:
        InputError: no record has the field, or a number in it, or a number is not a probability.
    """
    option = setting("system_from_field.path", f"{name}={path}")
    scores = [_read_scores(sample, path) for sample in samples]
    _check_range(option, samples, scores)
    predictions = tuple(_prediction(one, path, threshold) for one in scores)
    if all(prediction.score is None for prediction in predictions):
        if not any(has_field(sample.fields, path) for sample in samples):
            raise InputError(missing_field_message(option, path, samples[0].fields), code="option/field-not-found")
        raise InputError(f"{option}: no labeled record has a number at {path}", code="option/field-not-found")
    labels = dict.fromkeys(label for prediction in predictions for label in prediction.category_scores or ())
    return System(name, predictions, CategoryIndex.from_labels(labels), threshold, per_category=True)


def count_unscored(system: System) -> Counter[str]:
    """Count the records without a score, as "a score", and those without the score of a category, by its label."""
    missing = Counter({"a score": system.num_errors} if system.num_errors else {})
    for prediction in system.predictions:
        if prediction.category_scores:
            missing.update(label for label in system.categories.labels if label not in prediction.category_scores)
    return missing


def with_threshold(system: System, threshold: float) -> System:
    """The system with another threshold for its score, or for its calibrated score if its rows are calibrated."""
    predictions = tuple(_apply_threshold(prediction, threshold) for prediction in system.predictions)
    return replace(system, predictions=predictions, threshold=threshold)


def _apply_threshold(prediction: Prediction, threshold: float) -> Prediction:
    if prediction.verdicts:
        rows = prediction.verdicts
        return prediction_from_rows(
            [redecide(row, DecisionRule(threshold, temperature=row.temperature)) for row in rows]
        )
    return prediction if prediction.score is None else replace(prediction, unsafe=prediction.score >= threshold)


def _join_rows(sample: Sample, by_key: Mapping[RecordKey, list[Verdict]]) -> Prediction:
    rows = by_key.get((sample.key.source, sample.key.line, sample.key.part))
    if rows is None:
        return Prediction(None, None, error=NO_VERDICT)
    ids = sample.key.id, rows[0].key.id
    if None not in ids and ids[0] != ids[1]:
        raise InputError(
            f"{sample.key.location}: the record has the id {ids[0]!r} and its row {ids[1]!r}: the rows are "
            "of other data",
            code="eval/rows-not-matched",
        )
    return prediction_from_rows(rows)


def prediction_from_rows(rows: Sequence[Verdict]) -> Prediction:
    """Combine the rows of a record's messages: it is as unsafe as the worst of them."""
    worst = _worst_row(rows)
    unjudged = next((row for row in rows if row.verdict == "error"), None)
    if worst.judged_score is None or (unjudged is not None and worst.verdict != "unsafe"):
        error = (unjudged or worst).error or "not judged"
        return Prediction(None, None, error=error, verdicts=tuple(rows))
    categories = highest_scores(map(_category_scores, rows))
    listed = frozenset(label for row in rows if row.verdict == "unsafe" for label in row.categories or ())
    unjudged_error = None if unjudged is None else unjudged.error or "not judged"
    return Prediction(
        score=worst.judged_score,
        unsafe=worst.verdict == "unsafe",
        listed=listed,
        category_scores=categories or None,
        error=unjudged_error,
        partial=unjudged is not None,
        verdicts=tuple(rows),
    )


def _worst_row(rows: Sequence[Verdict]) -> Verdict:
    return max(rows, key=lambda row: (row.verdict == "unsafe", row.judged_score is not None, row.judged_score or 0.0))


def _category_scores(row: Verdict) -> Mapping[str, float]:
    score = row.judged_score
    if score is None:
        return {}
    if (by_category := row.judged_category_scores) is not None:
        return by_category
    return {label: score * share for label, share in (row.listed_scores or {}).items()}


def _read_scores(sample: Sample, path: str) -> float | dict[str, float] | None:
    """The number in a field, or those of an object by name; None if there is no number."""
    value: Any = get_field(sample.fields, path)
    if isinstance(value, str):
        with suppress(ValueError):
            value = parse_structure(value)
    if isinstance(value, dict):
        numbers = ((name, _parse_probability(score)) for name, score in value.items())
        return {name: number for name, number in numbers if number is not None}
    return _parse_probability(value)


def _prediction(value: float | dict[str, float] | None, path: str, threshold: float) -> Prediction:
    scores, number = (value, max(value.values(), default=None)) if isinstance(value, dict) else (None, value)
    if number is None:
        return Prediction(None, None, error=f"there is no number at {path}")
    listed = frozenset(name for name, score in (scores or {}).items() if score >= threshold)
    return Prediction(number, number >= threshold, listed, scores)


def _check_range(option: str, samples: Sequence[Sample], scores: Sequence[float | dict[str, float] | None]) -> None:
    """Raise InputError: a number is outside [0, 1]: a percentage, a logit, another scale."""
    by_sample = [tuple(one.values()) if isinstance(one, dict) else (one,) for one in scores]
    numbers = [number for of_sample in by_sample for number in of_sample if number is not None]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if low >= 0 and high <= 1:
        return
    first = next(
        sample for sample, of_sample in zip(samples, by_sample, strict=True) if any(map(_is_out_of_range, of_sample))
    )
    if low >= 0 and high <= 100:
        advice = "if they are percentages, divide them by 100"
    elif math.isinf(low) or math.isinf(high):
        advice = "infinity is not a probability"
    else:
        advice = "if they are logits, apply the logistic function to them"
    raise InputError(
        f"{option}: scores from {low:g} to {high:g}, expected probabilities from 0 to 1 (the first of the others: "
        f"{first.key.location}); {advice}",
        code="eval/not-probabilities",
    )


def _is_out_of_range(number: float | None) -> bool:
    return number is not None and not 0 <= number <= 1


def _parse_probability(value: Any) -> float | None:
    """A number, or the text of one, as a float; rounding errors below 0 or above 1 are clipped."""
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, (int, float, str)) or is_missing(value):
        return None
    if isinstance(value, str) and value.strip().casefold() in ("true", "false"):
        return float(value.strip().casefold() == "true")
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]
    except ValueError:
        return None
    nearest = min(max(number, 0.0), 1.0)
    return nearest if abs(number - nearest) <= _ROUNDING_ERROR else number
