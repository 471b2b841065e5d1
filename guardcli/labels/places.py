"""Where in a record its label and its categories stand, and what the words there mean. It knows no data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guardcli.conversation import Json
from guardcli.formats import Unreadable, parse_path, select

Fields = Mapping[str, Json]

# The first that a record has; True where the field says that something is safe.
LABELS = {
    "label": False, "unsafe": False, "is_unsafe": False, "toxicity": False, "toxic": False, "is_toxic": False,
    "harmful": False, "is_harmful": False, "harm": False, "flagged": False, "is_safe": True, "safe": True,
}  # fmt: skip
_CATEGORIES = ("categories", "violated_categories", "harm_categories", "category", "harm_category")

_UNSAFE = {"unsafe", "harmful", "toxic", "hateful", "malicious", "flagged", "violating", "true", "yes", "1"}
_SAFE = {
    "safe", "unharmful", "harmless", "benign", "non-toxic", "nontoxic", "non-hateful", "ok", "false", "no", "0",
}  # fmt: skip
_NOTHING = {"", "none", "safe", "benign", "n/a"}  # in a list of categories


@dataclass(frozen=True, slots=True)
class Label:
    """A path to the label, and the values that mean unsafe (all others then mean safe); none: the usual words."""

    path: str
    unsafe: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Where:
    """What is forced: the place of the label, that of the categories, and the layout by name."""

    label: Label | None = None
    categories: str | None = None
    layout: str | None = None


def label(fields: Fields, where: Label | None) -> bool | None:
    """Whether a record is labelled unsafe; None if it has no label. Raises ValueError: its label is no such word."""
    if where is not None:
        value = at(fields, where.path)
        if value is None or value == "":
            return None
        return _normal(value) in map(_normal, where.unsafe) if where.unsafe else verdict_word(value, where.path)
    name = next((name for name in LABELS if fields.get(name) not in (None, "")), None)
    if name is None:
        return None
    return verdict_word(fields[name], name) is not LABELS[name]


def flags(fields: Fields, path: str | None) -> tuple[dict[str, bool], bool]:
    """The categories that a record has by name, and whether they came as a list (`Truth.listed`).

    Raises:
        ValueError: what stands there is neither a list of names, nor names with true or false.
    """
    if path is not None:
        name, value = path, at(fields, path)
    else:
        name = next((name for name in _CATEGORIES if fields.get(name) is not None), "")
        value = fields.get(name)
    if value is None:
        return {}, True
    if isinstance(value, dict):
        annotated = {key: on for key, on in value.items() if on is not None}
        return {key: verdict_word(on, f"{name}.{key}") for key, on in annotated.items()}, False
    listed = value if isinstance(value, list) else str(value).split(",")
    if not all(isinstance(item, (str, int)) for item in listed):
        raise ValueError(f"its {name} is neither a list of names nor an object of true and false")
    names = (str(item).strip() for item in listed)
    return {one: True for one in names if one.lower() not in _NOTHING}, True


def verdict_word(value: Json, name: str) -> bool:
    """Whether a word, a truth value or 0 or 1 means unsafe. Raises ValueError: it is something else."""
    word = _normal(value)
    if word in _UNSAFE or word in _SAFE:
        return word in _UNSAFE
    raise ValueError(
        f"its {name} is {value!r}, which is neither safe nor unsafe: write one of these, or tell guard eval which "
        "values mean unsafe (--label-field FIELD=VALUE,VALUE)"
    )


def at(fields: Fields, path: str) -> Any:
    """What stands at a path; None if nothing does."""
    try:
        return select(dict(fields), parse_path(path))
    except Unreadable:
        return None


def _normal(value: Json) -> str:
    """A value as a word: True is "true", and 1.0, "1.0" and " 1 " are "1"."""
    word = str(value).strip().casefold()
    whole, point, zeros = word.partition(".")
    return whole if point and whole.isdecimal() and zeros.strip("0") == "" else word
