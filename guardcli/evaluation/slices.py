"""The figures of one system by the values of a field, such as the language, and how far each is from English. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guardcli.errors import InputError
from guardcli.evaluation.datasets import Sample, get_field, has_field, missing_field_message
from guardcli.evaluation.datasets.label_values import is_empty
from guardcli.evaluation.metrics import Interval, NoFigure, Resamples, difference, over_thresholds
from guardcli.evaluation.system_metrics import Figures, Judged, figures
from guardcli.evaluation.systems import System

MOST = 200  # values of a field: with more of them it makes no slices

_MISSING = "-"
_ENGLISH = ("en", "eng", "english", "en-us", "en-gb")


@dataclass(frozen=True, slots=True)
class Slice:
    """Items with one value of a field, of which `unsafe` are labelled so. `gap` is how much higher their AUPRC is than
    that of the English ones, where the field has English; AUPRC rises with the share of the unsafe by itself."""

    field: str
    value: str
    unsafe: int
    figures: Figures
    gap: Interval | None = None
    gap_p: float | None = None


def slices(items: Sequence[Sample], system: System, path: str, resamples: Resamples, *, strict: bool) -> list[Slice]:
    """A slice for each value, the most frequent first; "-" are the items without one. Raises InputError as `sliced`."""
    places = sliced(items, path)
    labels = [item.unsafe for item in items]
    by_size = sorted(places.items(), key=lambda part: -len(part[1]))
    judged = {value: Judged.of(labels, system.outcomes, part, strict=strict) for value, part in by_size}
    english = next((one for value, one in judged.items() if value.casefold() in _ENGLISH), None)
    found = []
    for value, part in by_size:
        here = judged[value]
        gap = (None, None) if english is None or here is english else _gap(here, english, resamples)
        unsafe = sum(labels[at] for at in part)
        found.append(Slice(path, value, unsafe, figures(here, resamples), *gap))
    return found


def sliced(items: Sequence[Sample], path: str) -> dict[str, list[int]]:
    """The places of the items by value.

    Raises:
        InputError: no item has one, or there are too many.
    """
    places: dict[str, list[int]] = {}
    for at, item in enumerate(items):
        places.setdefault(_value(item, path), []).append(at)
    if set(places) == {_MISSING}:
        if not any(has_field(item.fields, path) for item in items):
            raise InputError(missing_field_message(f"--by {path}", path, items[0].fields))
        raise InputError(f"--by {path}: no labelled record has a value there to slice by")
    if len(places) > MOST:
        raise InputError(f"--by {path}: it has {len(places):,} values: slice by a field that has at most {MOST}")
    return places


def _gap(one: Judged, english: Judged, resamples: Resamples) -> tuple[Interval | None, float | None]:
    try:
        here, of_here = over_thresholds("auprc", one.labels, one.scores)
        there, of_there = over_thresholds("auprc", english.labels, english.scores)
    except NoFigure:
        return None, None
    spread = resamples.distribution(of_here, one.places) - resamples.distribution(of_there, english.places)
    return difference(here - there, spread)


def _value(item: Sample, path: str) -> str:
    value = get_field(item.fields, path)
    return _MISSING if is_empty(value) or isinstance(value, (dict, list)) else str(value).strip() or _MISSING
