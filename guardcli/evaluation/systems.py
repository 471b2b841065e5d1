"""What a system says of each item: verdicts of a run, stored or made now, or another tool's score in the records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from guardcli.errors import InputError
from guardcli.evaluation.datasets import (
    CategoryIndex,
    Sample,
    get_field,
    has_field,
    missing_field_message,
)
from guardcli.evaluation.datasets.label_values import is_missing, parse_structure
from guardcli.judging import highest_scores
from guardcli.judging.reader import RecordKey, VerdictRow, group_by_record

NO_ROW = "no verdict in the run"
_ROUNDING = 1e-6  # by so much a probability may miss [0, 1], as the sum of a softmax in float32 does


@dataclass(frozen=True, slots=True)
class Outcome:
    """`score` and `unsafe` are None where there is no verdict, and `error` says why. `categories` are scores of
    categories by label, P(unsafe and this one listed first) or, asked one by one, P(unsafe); None: not there.
    `partial`: a message of the record could not be judged, so that it is never safe, whatever the threshold."""

    score: float | None
    unsafe: bool | None
    listed: frozenset[str] = frozenset()
    categories: Mapping[str, float] | None = None
    error: str | None = None
    partial: bool = False


@dataclass(frozen=True, slots=True)
class System:
    """One of those that are compared: its outcome for each item, in the items' order. `one_by_one`: its category
    scores are verdicts of their own, with thresholds of their own. Seconds and tokens are those of a run made now;
    `policy` is the name of the taxonomy that it judged by."""

    name: str
    outcomes: tuple[Outcome, ...]
    categories: CategoryIndex
    threshold: float
    one_by_one: bool = False
    seconds: float | None = None
    tokens: int | None = None
    policy: str | None = None

    @property
    def errors(self) -> int:
        return sum(outcome.score is None for outcome in self.outcomes)


def of_rows(
    name: str, items: Sequence[Sample], rows: Iterable[VerdictRow], *, known: CategoryIndex | None = None
) -> System:
    """The system that made the rows of one run, joined to the items by source, line and part.

    Where the two have each but one source, its name does not matter: it may have been stdin. Without `known`, its
    categories are what the rows call them.

    Raises:
        InputError: the rows are of other data: none fits, or one at an item's place has another id.
    """
    found: dict[RecordKey, list[VerdictRow]] = {}
    for key, of_record in group_by_record(rows):
        if key in found:
            raise InputError(f"{name}: line {key[1]} of {key[0]} has rows in two places: give one run at a time")
        found[key] = of_record
    sources = {item.key.source for item in items}, {key[0] for key in found}
    if sources[0] != sources[1] and len(sources[0]) == len(sources[1]) == 1:
        (source,) = sources[0]
        found = {(source, line, part): of_record for (_, line, part), of_record in found.items()}
    outcomes = [_joined(item, found) for item in items]
    if not any(outcome.error != NO_ROW for outcome in outcomes):
        raise InputError(f"{name}: no row is of the labelled data: rows are joined by `source`, `line` and `part`")
    first = next(iter(found.values()))[0]
    labels = dict.fromkeys(label for rows in found.values() for row in rows for label in _category_scores(row))
    return System(
        name=name,
        outcomes=tuple(outcomes),
        categories=known or CategoryIndex.from_labels(labels),
        threshold=first["threshold"],
        one_by_one=first["scoring"] == "each",
        policy=first["taxonomy"].get("name"),
    )


def of_field(name: str, items: Sequence[Sample], path: str, *, threshold: float = 0.5) -> System:
    """Another tool as a system, by the probability that it left in a field of the records.

    An object of numbers, such as OpenAI's `category_scores`, counts by its highest; its names are categories. True and
    false count as 1 and 0. A record whose score is missing has no verdict.

    Raises:
        InputError: no record has such a field, or a number in it, or a number is no probability.
    """
    option = f"--score-field {name}={path}"
    scores = [_scores(item, path) for item in items]
    _check_range(option, items, scores)
    outcomes = tuple(_outcome(found, path, threshold) for found in scores)
    if all(outcome.score is None for outcome in outcomes):
        if not any(has_field(item.fields, path) for item in items):
            raise InputError(missing_field_message(option, path, items[0].fields))
        raise InputError(f"{option}: no labelled record has a number at {path}")
    labels = dict.fromkeys(label for outcome in outcomes for label in outcome.categories or ())
    return System(name, outcomes, CategoryIndex.from_labels(labels), threshold, one_by_one=True)


def unscored(system: System) -> Counter[str]:
    """How many records have no score ("a score"), and how many of the others lack that of a category, by its label."""
    found = Counter({"a score": system.errors} if system.errors else {})
    for outcome in system.outcomes:
        if outcome.categories:
            found.update(label for label in system.categories.labels if label not in outcome.categories)
    return found


def at_threshold(system: System, threshold: float) -> System:
    """The system as it would be with another threshold for its one score."""
    outcomes = tuple(_at(outcome, threshold) for outcome in system.outcomes)
    return replace(system, outcomes=outcomes, threshold=threshold)


def _at(outcome: Outcome, threshold: float) -> Outcome:
    if outcome.score is None or outcome.score >= threshold:
        return outcome if outcome.score is None else replace(outcome, unsafe=True)
    if outcome.partial:
        return Outcome(None, None, error=outcome.error)
    return replace(outcome, unsafe=False)


def _joined(item: Sample, found: Mapping[RecordKey, list[VerdictRow]]) -> Outcome:
    rows = found.get((item.key.source, item.key.line, item.key.part))
    if rows is None:
        return Outcome(None, None, error=NO_ROW)
    ids = item.key.id, rows[0]["id"]
    if None not in ids and ids[0] != ids[1]:
        raise InputError(
            f"{item.key.location}: the record is {ids[0]!r} and the row that stands for it {ids[1]!r}: other data"
        )
    return _of_rows(rows)


def _of_rows(rows: Sequence[VerdictRow]) -> Outcome:
    """Several rows are those of a record's messages: it is as unsafe as the worst of them."""
    worst = max(rows, key=lambda row: (row["verdict"] == "unsafe", row["score"] is not None, row["score"] or 0.0))
    unjudged = next((row for row in rows if row["verdict"] == "error"), None)
    if worst["score"] is None or (unjudged is not None and worst["verdict"] != "unsafe"):
        return Outcome(None, None, error=(unjudged or worst)["error"] or "not judged")
    categories = highest_scores(map(_category_scores, rows))
    listed = frozenset(label for row in rows if row["verdict"] == "unsafe" for label in row["categories"] or ())
    error = None if unjudged is None else unjudged["error"] or "not judged"
    return Outcome(
        worst["score"], worst["verdict"] == "unsafe", listed, categories or None, error, unjudged is not None
    )  # fmt: skip


def _category_scores(row: VerdictRow) -> Mapping[str, float]:
    if row["score"] is None:
        return {}
    if row["category_scores"] is not None:
        scores: Mapping[str, float] = row["category_scores"]
        return scores
    return {label: row["score"] * share for label, share in (row["listed_scores"] or {}).items()}


def _scores(item: Sample, path: str) -> float | dict[str, float] | None:
    """The number in a field, or those of an object by name; None: there is none."""
    value: Any = get_field(item.fields, path)
    if isinstance(value, str):
        with suppress(ValueError):
            value = parse_structure(value)
    if isinstance(value, dict):
        numbers = ((name, _number(score)) for name, score in value.items())
        return {name: number for name, number in numbers if number is not None}
    return _number(value)


def _outcome(found: float | dict[str, float] | None, path: str, threshold: float) -> Outcome:
    scores, number = (found, max(found.values(), default=None)) if isinstance(found, dict) else (None, found)
    if number is None:
        return Outcome(None, None, error=f"there is no number at {path}")
    listed = frozenset(name for name, score in (scores or {}).items() if score >= threshold)
    return Outcome(number, number >= threshold, listed, scores)


def _check_range(option: str, items: Sequence[Sample], scores: Sequence[float | dict[str, float] | None]) -> None:
    """Raise InputError: a number is outside [0, 1]: a percentage, a logit, another scale."""
    by_item = [tuple(found.values()) if isinstance(found, dict) else (found,) for found in scores]
    numbers = [number for found in by_item for number in found if number is not None]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if low >= 0 and high <= 1:
        return
    first = next(item for item, found in zip(items, by_item, strict=True) if any(_outside(number) for number in found))
    if low >= 0 and high <= 100:
        advice = "if they are percentages, divide them by 100"
    elif math.isinf(low) or math.isinf(high):
        advice = "infinity is no probability"
    else:
        advice = "if they are logits, apply the logistic function to them"
    raise InputError(
        f"{option}: scores from {low:g} to {high:g}, expected probabilities from 0 to 1 (the first of the others: "
        f"{first.key.location}); {advice}"
    )


def _outside(number: float | None) -> bool:
    return number is not None and not 0 <= number <= 1


def _number(value: Any) -> float | None:
    """A number, or the text of one, as a float; a rounding error beyond 0 or 1 is taken off."""
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
    return nearest if abs(number - nearest) <= _ROUNDING else number
