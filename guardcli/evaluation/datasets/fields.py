"""Where in a record its label and its categories stand. It knows no data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guardcli.conversation import Json
from guardcli.evaluation.datasets import label_values
from guardcli.evaluation.datasets.label_values import Bound, missing
from guardcli.formats import RecordError, get_at_path, parse_path

Fields = Mapping[str, Json]

# The first that a record has; True where the field says that something is safe.
LABELS = {
    "label": False, "unsafe": False, "is_unsafe": False, "toxicity": False, "toxic": False, "is_toxic": False,
    "harmful": False, "is_harmful": False, "harm": False, "flagged": False, "is_safe": True, "safe": True,
}  # fmt: skip
_NAMED = 12  # fields in a message
_CATEGORIES = ("categories", "violated_categories", "harm_categories", "category", "harm_category")


@dataclass(frozen=True, slots=True)
class Label:
    """A path to the label, and what means unsafe there: these values (all others then mean safe), or what is beyond a
    bound; neither: the usual words."""

    path: str
    unsafe: tuple[str, ...] = ()
    bound: Bound | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """What is forced: the place of the label, that of the categories, the bound from which on one of them applies, and
    the layout by name."""

    label: Label | None = None
    categories: str | None = None
    layout: str | None = None
    category_bound: Bound | None = None


def label(fields: Fields, where: Label | None) -> bool | None:
    """Whether a record is labelled unsafe; None if it has no label. Raises ValueError: its label is no such word."""
    if where is not None:
        return _stated(at(fields, where.path), where)
    name = next((name for name in LABELS if not missing(fields.get(name))), None)
    if name is None:
        return None
    return label_values.unsafe_word(fields[name], name, true_is_safe=LABELS[name])


def _stated(value: Any, where: Label) -> bool | None:
    if where.unsafe and label_values.word(value) in map(label_values.word, where.unsafe):
        return True  # also a value that else means that there is none, if it is named
    if missing(value):
        return None
    if where.bound is not None:
        return where.bound.holds(value, where.path)
    true_is_safe = LABELS.get(str(parse_path(where.path)[-1]), False)
    if not where.unsafe:
        return label_values.unsafe_word(value, where.path, true_is_safe=true_is_safe)
    if isinstance(value, (list, dict)):
        raise ValueError(f"its {where.path} is {label_values.short(value)}, and one value is expected")
    if label_values.fraction(value) and not any(map(label_values.fraction, where.unsafe)):
        raise ValueError(label_values.unclear(value, where.path, "<" if true_is_safe else ">="))
    return False


def flags(fields: Fields, path: str | None, bound: Bound | None = None) -> tuple[dict[str, bool], bool]:
    """The categories that a record has by name, and whether they came as a list (`Truth.listed`).

    Raises:
        ValueError: what stands there is neither a list of names, nor names with true or false (or numbers, with a
            `bound`).
    """
    if path is not None:
        name, value = path, at(fields, path)
    else:
        name = next((name for name in _CATEGORIES if not missing(fields.get(name))), "")
        value = fields.get(name)
    if missing(value):
        return {}, True
    try:
        value = label_values.structure(value)
    except ValueError as error:
        raise ValueError(f"its {name} {error}") from None
    if isinstance(value, dict):
        return annotated(value, name, bound), False
    listed = label_values.names(value)
    if listed is None:
        raise ValueError(f"its {name} is neither a list of names nor an object of true and false")
    if listed and bound is not None:
        raise ValueError(f"its {name} is a list of names: a bound ({name}{bound}) needs an object of numbers")
    return dict.fromkeys(listed, True), True


def annotated(given: Mapping[str, Json], name: str, bound: Bound | None = None) -> dict[str, bool]:
    """Whether each category applies; one without a value is not annotated.

    Raises:
        ValueError: a value is neither true nor false, or no number where there is a `bound`.
    """
    return {key: _applies(on, name, key, bound) for key, on in given.items() if not missing(on)}


def _applies(on: Json, name: str, key: str, bound: Bound | None) -> bool:
    if bound is not None:
        return bound.holds(on, f"{name}.{key}")
    try:
        return label_values.unsafe_word(on, f"{name}.{key}")
    except ValueError:
        problem = f"its {name}.{key} is {label_values.short(on)}, which is neither true nor false"
        if label_values.as_number(on) is not None:
            problem += f': say from which number on a category applies, such as --category-field "{name}>=0.5"'
        raise ValueError(problem) from None


def has(fields: Fields, path: str) -> bool:
    """Whether a record has a field at a path, whatever stands there."""
    try:
        get_at_path(dict(fields), parse_path(path))
    except RecordError:
        return False
    return True


def absent(option: str, path: str, fields: Fields) -> str:
    """What is wrong with an option whose field no record has; `fields` are those of the first record."""
    names = ", ".join(list(fields)[:_NAMED]) + (", …" if len(fields) > _NAMED else "")
    return f"{option}: no record has the field {path}; the first record has {names or 'no fields'}"


def at(fields: Fields, path: str) -> Any:
    """What stands at a path; None if nothing does."""
    try:
        return get_at_path(dict(fields), parse_path(path))
    except RecordError:
        return None
