"""What options are made of: several given to a command at once, and a value that several have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import click

from guardcli import formats

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def add_options(command: F, options: Sequence[Callable[[F], F]]) -> F:
    """A command with options, which its help shows in their order."""
    for option in reversed(options):
        command = option(command)
    return command


class ParsedOption(click.ParamType[T]):
    """A value that is read from text by `parse`; one that is no text was read before."""

    def parse(self, text: str) -> T:
        """The value. Raises ValueError: the text is none; its words are shown."""
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        if not isinstance(value, str):
            return cast(T, value)
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class PathsOption(ParsedOption[str]):
    """Where in records some fields are, parted by commas."""

    name = "paths"

    def parse(self, text: str) -> str:
        formats.parse_paths(text)
        return text


class PathOption(ParsedOption[str]):
    """Where in a record a field is."""

    name = "path"

    def parse(self, text: str) -> str:
        formats.parse_path(text)
        return text
