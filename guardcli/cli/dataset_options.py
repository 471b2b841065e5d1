"""The options of commands that read labeled data sets: their schema, and the fields of labels and categories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from guardcli.cli.options import ParsedOption, add_options
from guardcli.evaluation.datasets import DATASET_SCHEMAS, Bound, FieldSpec, LabelField
from guardcli.evaluation.datasets.conditions import parse_condition

F = TypeVar("F", bound=Callable[..., Any])


class LabelOption(ParsedOption[LabelField]):
    """`FIELD`, `FIELD=VALUE,VALUE` with the values that mean unsafe, or `FIELD>=0.5` with a bound."""

    name = "label"

    def parse(self, text: str) -> LabelField:
        return LabelField.parse(text)


@dataclass(frozen=True, slots=True)
class CategoryField:
    """The field of the categories, and the bound from which a number means that a category applies."""

    path: str
    bound: Bound | None = None


class CategoryOption(ParsedOption[CategoryField]):
    """`FIELD`, or `FIELD>=0.5` for an object of numbers."""

    name = "categories"

    def parse(self, text: str) -> CategoryField:
        path, values, bound = parse_condition(text)
        if values:
            raise ValueError(f"{text!r}: expected FIELD or FIELD>=NUMBER")
        return CategoryField(path, bound)


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
