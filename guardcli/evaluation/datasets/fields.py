"""Find the label and the categories in the fields of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guardcli.conversation import Json
from guardcli.evaluation.datasets import label_values
from guardcli.evaluation.datasets.conditions import parse_condition
from guardcli.evaluation.datasets.label_values import Bound, is_missing
from guardcli.formats import RecordError, get_at_path, parse_path
from guardcli.text.lists import join_words

Fields = Mapping[str, Json]

# The first of these that a record has is its label; True where the field says that something is safe.
LABEL_FIELDS = {
    "label": False, "unsafe": False, "is_unsafe": False, "toxicity": False, "toxic": False, "is_toxic": False,
    "harmful": False, "is_harmful": False, "harm": False, "flagged": False, "is_safe": True, "safe": True,
}  # fmt: skip
_CATEGORY_FIELDS = ("categories", "violated_categories", "harm_categories", "category", "harm_category")
_MAX_NAMED_FIELDS = 12  # in a message


@dataclass(frozen=True, slots=True)
class LabelField:
    """The path of the label, and which values of it mean unsafe.

    `unsafe` lists the unsafe values; all others then mean safe. `bound` makes numbers beyond it unsafe. With neither,
    the usual words are understood (`label_values.parse_unsafe`).
    """

    path: str
    unsafe: tuple[str, ...] = ()
    bound: Bound | None = None

    @classmethod
    def parse(cls, text: str) -> LabelField:
        """Parse `FIELD`, `FIELD=VALUE,VALUE` with the unsafe values, or `FIELD>=0.5` with a bound.

        Raises:
            ValueError: the text is none of these.
        """
        return cls(*parse_condition(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """Where to find labels and categories, instead of detecting it.

    `schema` names one of DATASET_SCHEMAS. `categories` is the path of the categories, and `category_bound` the number
    from which on one of them applies.
    """

    label: LabelField | None = None
    categories: str | None = None
    category_bound: Bound | None = None
    schema: str | None = None


def get_field(fields: Fields, path: str) -> Any:
    """The value at a path; None if the path does not exist."""
    try:
        return get_at_path(dict(fields), parse_path(path))
    except RecordError:
        return None


def has_field(fields: Fields, path: str) -> bool:
    """Whether a record has a field at a path, with any value."""
    try:
        get_at_path(dict(fields), parse_path(path))
    except RecordError:
        return False
    return True


def missing_field_message(option: str, path: str, fields: Fields) -> str:
    """The error for an option whose field no record has; `fields` are those of the first record."""
    names = join_words(fields, limit=_MAX_NAMED_FIELDS)
    return f"{option}: no record has the field {path}; the first record has {names or 'no fields'}"


def read_label(fields: Fields, label_field: LabelField | None) -> bool | None:
    """Whether a record is labeled unsafe; None if it has no label.

    Raises:
        ValueError: the label means neither safe nor unsafe.
    """
    if label_field is not None:
        return _read_label_field(get_field(fields, label_field.path), label_field)
    name = next((name for name in LABEL_FIELDS if not is_missing(fields.get(name))), None)
    if name is None:
        return None
    return label_values.parse_unsafe(fields[name], name, true_is_safe=LABEL_FIELDS[name])


def _read_label_field(value: Any, label_field: LabelField) -> bool | None:
    path, unsafe = label_field.path, label_field.unsafe
    if unsafe and label_values.normalize(value) in map(label_values.normalize, unsafe):
        return True  # before the check for a missing value: "none" may be named as unsafe
    if is_missing(value):
        return None
    if label_field.bound is not None:
        return label_field.bound.includes(value, path)
    true_is_safe = LABEL_FIELDS.get(str(parse_path(path)[-1]), False)
    if not unsafe:
        return label_values.parse_unsafe(value, path, true_is_safe=true_is_safe)
    if isinstance(value, (list, dict)):
        raise ValueError(f"its {path} is {label_values.abbreviate(value)}, expected one value")
    if label_values.is_fraction(value) and not any(map(label_values.is_fraction, unsafe)):
        raise ValueError(label_values.unclear_label_message(value, path, "<" if true_is_safe else ">="))
    return False


def read_categories(fields: Fields, path: str | None, bound: Bound | None = None) -> tuple[dict[str, bool], bool]:
    """The categories of a record by name, and whether they came as a list (`GroundTruth.exhaustive`).

    ["S1", "S2"] → {"S1": True, "S2": True}, True
    {"S1": 0.7, "S2": 0.1} with the bound >=0.5 → {"S1": True, "S2": False}, False

    Raises:
        ValueError: the value is neither a list of names, nor names with true or false (or numbers, with a `bound`).
    """
    if path is not None:
        name, value = path, get_field(fields, path)
    else:
        name = next((name for name in _CATEGORY_FIELDS if not is_missing(fields.get(name))), "")
        value = fields.get(name)
    if is_missing(value):
        return {}, True
    try:
        value = label_values.parse_structure(value)
    except ValueError as error:
        raise ValueError(f"its {name} {error}") from None
    if isinstance(value, dict):
        return parse_annotations(value, name, bound), False
    names = label_values.parse_names(value)
    if names is None:
        raise ValueError(f"its {name} is neither a list of names nor an object of true and false")
    if names and bound is not None:
        raise ValueError(f"its {name} is a list of names: a bound ({name}{bound}) needs an object with numbers")
    return dict.fromkeys(names, True), True


def parse_annotations(values: Mapping[str, Json], name: str, bound: Bound | None = None) -> dict[str, bool]:
    """Whether each category applies. A category without a value is not annotated, and left out.

    Raises:
        ValueError: a value is neither true nor false, or not a number where there is a `bound`.
    """
    return {
        category: _applies(value, name, category, bound) for category, value in values.items() if not is_missing(value)
    }


def _applies(value: Json, name: str, category: str, bound: Bound | None) -> bool:
    if bound is not None:
        return bound.includes(value, f"{name}.{category}")
    try:
        return label_values.parse_unsafe(value, f"{name}.{category}")
    except ValueError:
        problem = f"its {name}.{category} is {label_values.abbreviate(value)}, which is neither true nor false"
        if label_values.parse_number(value) is not None:
            problem += ": give the number from which a category applies with FieldSpec.category_bound"
        raise ValueError(problem) from None
