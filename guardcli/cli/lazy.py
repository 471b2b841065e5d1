"""A click group that imports a command only when it runs, so that `--help` is fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from guardcli.cli.command import HELP_NAMES, did_you_mean, format_examples, format_exits


class LazyGroup(click.Group):
    """A group of lazily imported commands.

    Args:
        lazy: For each command its location ("module:attribute"), and its line in the help of the group.
        exits: What the exit codes mean.
        examples: Command lines that work as pasted.
    """

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, tuple[str, str]],
        exits: Mapping[int, str] | None = None,
        examples: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **{"context_settings": HELP_NAMES, "no_args_is_help": True, **kwargs})
        self._lazy = lazy
        self.exits = exits or {}
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self._lazy and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}.{did_you_mean(name, list(self._lazy))}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    @property
    def summaries(self) -> dict[str, str]:
        """The line of each command in the help of the group."""
        return {name: summary for name, (_, summary) in self._lazy.items()}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        format_exits(self.exits, formatter)
        format_examples(self.examples, formatter)
