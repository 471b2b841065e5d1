"""The options of commands that read labeled data sets: their schema, and the fields of labels and categories."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from guardcli import formats
from guardcli.cli.options import ParsedOption, add_options
from guardcli.evaluation.datasets import DATASET_SCHEMAS, Bound, FieldSpec, LabelField

F = TypeVar("F", bound=Callable[..., Any])

# A path, in which names in quotes may hold anything, and what stands behind it: `toxicity >= 0.5`, `grade=bad,worse`.
_CONDITION = re.compile(r"""((?:"[^"]*"|'[^']*'|[^<>="'])+)(?:(>=|<=|==?|>|<)(.*))?""", re.DOTALL)


class LabelOption(ParsedOption[LabelField]):
    """`FIELD`, `FIELD=VALUE,VALUE` with the values that mean unsafe, or `FIELD>=0.5` with a bound."""

    name = "label"

    def parse(self, text: str) -> LabelField:
        path, values, bound = _condition(text)
        return LabelField(path, values, bound)


@dataclass(frozen=True, slots=True)
class CategoryField:
    """The field of the categories, and the bound from which a number means that a category applies."""

    path: str
    bound: Bound | None = None


class CategoryOption(ParsedOption[CategoryField]):
    """`FIELD`, or `FIELD>=0.5` for an object of numbers."""

    name = "categories"

    def parse(self, text: str) -> CategoryField:
        path, values, bound = _condition(text)
        if values:
            raise ValueError(f"{text!r}: expected FIELD or FIELD>=NUMBER")
        return CategoryField(path, bound)


def _condition(text: str) -> tuple[str, tuple[str, ...], Bound | None]:
    """Parse a path with its values or its bound. Raises ValueError.

    >>> _condition("grade=bad,worse"), _condition("toxicity >= 0.5")
    (('grade', ('bad', 'worse'), None), ('toxicity', (), Bound(operator='>=', limit=0.5)))
    """
    match = _CONDITION.fullmatch(text)
    path, operator, behind = (match[1].strip(), match[2], match[3]) if match else (text, None, "")
    formats.parse_path(path)
    if operator is None:
        return path, (), None
    if operator in ("=", "=="):
        values = tuple(one for part in behind.split(",") if (one := part.strip()))
        if not values or values[0][0] in "<>=":
            raise ValueError(f"{text!r}: expected FIELD=VALUE,VALUE or FIELD>=NUMBER")
        return path, values, None
    try:
        limit = float(behind)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise ValueError(f"{text!r}: expected a finite number after {operator}, such as {path}{operator}0.5")
    return path, (), Bound(operator, limit)  # type: ignore[arg-type]


_OPTIONS = (
    click.option(
        "--dataset",
        "schema",
        type=click.Choice(list(DATASET_SCHEMAS)),
        metavar="NAME",
        help=f"Read labels as in this public data set instead of detecting it: {', '.join(DATASET_SCHEMAS)}.",
    ),
    click.option(
        "--label-field",
        "label",
        type=LabelOption(),
        metavar="FIELD[=VALUES]",
        help='The field of the label, and what means unsafe: values (grade=bad,worse) or a bound ("toxicity>=0.5").',
    ),
    click.option(
        "--category-field",
        "categories",
        type=CategoryOption(),
        metavar="FIELD",
        help='The field of the categories; with a bound if it is an object of numbers ("scores>=0.5").',
    ),
)


def dataset_options(command: F) -> F:
    """Add the options of labeled data sets; the command gets them as `field_spec`."""

    @wraps(command)
    def with_field_spec(
        *args: Any, schema: str | None, label: LabelField | None, categories: CategoryField | None, **options: Any
    ) -> Any:
        path, bound = (None, None) if categories is None else (categories.path, categories.bound)
        field_spec = FieldSpec(label=label, categories=path, schema=schema, category_bound=bound)
        return command(*args, field_spec=field_spec, **options)

    decorated: F = add_options(with_field_spec, _OPTIONS)  # type: ignore[assignment]
    return decorated
