"""What options are made of: several given to a command at once, and a value that several have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from guardcli import formats

F = TypeVar("F", bound=Callable[..., Any])


def given(command: F, options: Sequence[Callable[[F], F]]) -> F:
    """A command with options, which its help shows in their order."""
    for option in reversed(options):
        command = option(command)
    return command


class PathsOption(click.ParamType[str]):
    """Where in records some fields are, parted by commas."""

    name = "paths"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            formats.parse_paths(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class PathOption(click.ParamType[str]):
    """Where in a record a field is."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            formats.parse_path(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)
