"""The class of every command: its help has groups of options, exit codes and examples, and renamed options work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import click

from guardcli.cli import output
from guardcli.cli.completion import complete_names
from guardcli.cli.no_effect import no_effect_notices
from guardcli.cli.option_groups import OPTION_GROUPS
from guardcli.cli.renamed_options import notices, old_spellings

HELP_NAMES = {"help_option_names": ["-h", "--help"]}

_OTHER = "Other"  # the group of options that are in none; a test says that there are no such options


class GuardCommand(click.Command):
    """A command.

    Args:
        exits: What each exit code means here.
        examples: Command lines that work as pasted.
    """

    def __init__(
        self, *args: Any, exits: Mapping[int, str] | None = None, examples: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **{"context_settings": HELP_NAMES, **kwargs})
        self.exits = exits or {}
        self.examples = examples
        complete_names(self.params)
        self._old_spellings = old_spellings(self.name or "", self.params)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *self._old_spellings]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given, _, used = self.make_parser(ctx).parse_args(list(args))
        for notice in notices(self.name or "", used):
            output.echo_err(f"guard: {notice}")
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            if not (suggestion := _suggestion(error.param, given)):
                raise
            raise click.BadParameter(error.message + suggestion, error.ctx, error.param, error.param_hint) from error

    def invoke(self, ctx: click.Context) -> Any:
        for notice in no_effect_notices(self.name or "", ctx):
            output.echo_err(f"guard: {notice}")
        return super().invoke(ctx)

    def grouped_options(self, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
        """Return the options and their descriptions under the headings of the help, in its order."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option) and not param.hidden]
        grouped: dict[str, list[tuple[str, str]]] = {}
        for option in sorted(options, key=lambda option: _rank(self.name or "", option)):
            group = option_group(self.name or "", option)
            grouped.setdefault(group, []).append(_help_record(option, ctx))
        return grouped

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, records in self.grouped_options(ctx).items():
            with formatter.section(group):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        format_exits(self.exits, formatter)
        format_examples(self.examples, formatter)


def option_group(command: str, option: click.Option) -> str:
    """Return the heading under which the help of a command shows an option."""
    group, _ = _place(command, option)
    return group


def format_exits(exits: Mapping[int, str], formatter: click.HelpFormatter) -> None:
    """Write what the exit codes mean."""
    if exits:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in exits.items()])


def format_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write examples, a line each, however long."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """Return ` Did you mean 'check'?` for the closest name, or nothing.

    >>> did_you_mean("chek", ["check", "diff"]), did_you_mean("help", ["check"])
    (" Did you mean 'check'?", " Did you mean '--help'?")
    """
    if name in ("help", "version"):
        return f" Did you mean '--{name}'?"
    closest = get_close_matches(name, names, n=1)
    return f" Did you mean {closest[0]!r}?" if closest else ""


def _suggestion(param: click.Parameter | None, given: Mapping[str, Any]) -> str:
    """Return a suggestion for a value that is not one of the choices."""
    if param is None or not isinstance(param.type, click.Choice):
        return ""
    values = given.get(param.name or "")
    choices = [str(choice) for choice in param.type.choices]
    wrong = [one for one in (values if isinstance(values, list | tuple) else [values]) if one not in choices]
    return did_you_mean(str(wrong[0]), choices) if wrong else ""


def _help_record(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    """Return an option and its description, without the range of a number: the error says it."""
    record = option.get_help_record(ctx)
    assert record is not None  # hidden options have none
    extra = option.get_help_extra(ctx)
    remarks = ["required"] if extra.get("required") else []
    if default := extra.get("default"):
        remarks.append(f"default: {default}")
    if option.envvar:
        remarks.append(f"env: {option.envvar}")
    left = record[0].replace("INTEGER RANGE", "N").replace("FLOAT RANGE", "X").replace("INTEGER", "N")
    suffix = f"  [{'; '.join(remarks)}]" if remarks else ""
    return left, f"{option.help or ''}{suffix}"


def _place(command: str, option: click.Option) -> tuple[str, int]:
    """Return the group of an option and its position there. `train --batch-size` has another than `--batch-size`."""
    for names in ({f"{command} {opt}" for opt in option.opts}, {*option.opts}):
        for group, members in OPTION_GROUPS.items():
            for at, member in enumerate(members):
                if member in names:
                    return group, at
    return _OTHER, 0


def _rank(command: str, option: click.Option) -> tuple[int, int]:
    group, at = _place(command, option)
    return [*OPTION_GROUPS, _OTHER].index(group), at
