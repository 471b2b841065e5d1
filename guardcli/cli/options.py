"""Add several options to a command at once, and base classes of option values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import click

from guardcli import formats
from guardcli.errors import as_options

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def add_options(command: F, options: Sequence[Callable[[F], F]]) -> F:
    """Add options to a command; its help shows them in this order."""
    for option in reversed(options):
        command = option(command)
    return command


class ParsedOption(click.ParamType[T]):
    """An option value that `parse` makes from text. A default that is not text is used as it is."""

    def parse(self, text: str) -> T:
        """Return the value. Raises ValueError, whose message click shows to the user."""
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        if not isinstance(value, str):
            return cast(T, value)
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(as_options(str(error)), param, ctx)


class PathsOption(ParsedOption[str]):
    """Comma-separated paths of fields in a record."""

    name = "paths"

    def parse(self, text: str) -> str:
        formats.parse_paths(text)
        return text


class PathOption(ParsedOption[str]):
    """The path of a field in a record."""

    name = "path"

    def parse(self, text: str) -> str:
        formats.parse_path(text)
        return text
