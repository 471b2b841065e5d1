"""The options of commands that read labelled records: of what layout they are, where labels and categories stand."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from guardcli import formats
from guardcli.commands.options import given
from guardcli.labels import LAYOUTS, Label, Where

F = TypeVar("F", bound=Callable[..., Any])


class LabelOption(click.ParamType[Label]):
    """`FIELD`, or `FIELD=VALUE,VALUE` with the values that mean unsafe."""

    name = "label"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Label:
        if isinstance(value, Label):
            return value
        path, equals, values = str(value).partition("=")
        try:
            formats.parse_path(path)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return Label(path, tuple(one.strip() for one in values.split(",")) if equals else ())


_OPTIONS = (
    click.option(
        "--set",
        "layout",
        type=click.Choice(list(LAYOUTS)),
        help="Say which public set the records are of, instead of finding it out.",
    ),
    click.option(
        "--label-field",
        "label",
        type=LabelOption(),
        metavar="FIELD[=VALUES]",
        help="Where the label is, and which values mean unsafe.",
    ),
    click.option("--category-field", metavar="FIELD", help="Where the categories are."),
)


def label_options(command: F) -> F:
    """Give a command these options; it gets them as `where`."""

    @wraps(command)
    def placed(*args: Any, layout: str | None, label: Label | None, category_field: str | None, **options: Any) -> Any:
        return command(*args, where=Where(label, category_field, layout), **options)

    labelled: F = given(placed, _OPTIONS)  # type: ignore[assignment]
    return labelled
