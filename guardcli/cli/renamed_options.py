"""Options that have a new name: the old one works until 0.3, hidden from the help, with a notice on stderr."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import click

REMOVED_IN = "0.3"


@dataclass(frozen=True, slots=True)
class RenamedOption:
    """An old spelling and what replaces it.

    Attributes:
        old: The old spelling, such as `--force`.
        new: The option that replaces it, or what to write instead, such as `--format html -o FILE`.
        commands: The commands whose option it was; empty for all that have the new one.
    """

    old: str
    new: str
    commands: Collection[str] = ()

    @property
    def is_same_option(self) -> bool:
        """Whether the new option takes the same value. Else the command still defines the old one, hidden."""
        return " " not in self.new

    @property
    def notice(self) -> str:
        """The line for stderr."""
        return f"{self.old} is now {self.new}; the old name works until {REMOVED_IN}"


RENAMED_OPTIONS = (
    RenamedOption("--show-text", "--with-text"),
    RenamedOption("--force", "--allow-unverified-model"),
    RenamedOption("--ctx-size", "--max-prompt-tokens"),
    RenamedOption("--set", "--dataset"),
    RenamedOption("--was", "--from-taxonomy", {"decide"}),
    RenamedOption("--from", "--verdicts", {"eval"}),
    RenamedOption("--by", "--slice-by", {"eval"}),
    RenamedOption("--follow", "--steerability", {"eval"}),
    RenamedOption("--policy-ablation", "--steerability", {"eval"}),
    RenamedOption("--html", "--format html -o FILE", {"eval"}),
    RenamedOption("--no-text", "the default (--with-text adds the messages)", {"eval"}),
    RenamedOption("--verdicts", "--save-verdicts", {"filter"}),
)


class OldSpelling(click.Option):
    """An option's old name. The parser stores its value as the value of the new one."""

    def __init__(self, old: str, option: click.Option) -> None:
        super().__init__(
            [old, option.name or ""],
            type=None if option.is_flag else option.type,
            is_flag=option.is_flag or None,
            multiple=option.multiple,
            hidden=True,
            expose_value=False,
        )

    def handle_parse_result(self, ctx: click.Context, opts: Any, args: list[str]) -> tuple[Any, list[str]]:
        return None, args


def old_spellings(command: str, params: Sequence[click.Parameter]) -> list[OldSpelling]:
    """Return the old names of a command's options."""
    return [
        OldSpelling(renamed.old, option)
        for renamed in _renamed_in(command)
        for option in params
        if renamed.is_same_option and isinstance(option, click.Option) and renamed.new in option.opts
    ]


def notices(command: str, used: Sequence[click.Parameter]) -> list[str]:
    """Return a notice for each old name among the options that a user gave."""
    opts = {opt for option in used for opt in option.opts}
    return [renamed.notice for renamed in _renamed_in(command) if renamed.old in opts]


def _renamed_in(command: str) -> list[RenamedOption]:
    return [renamed for renamed in RENAMED_OPTIONS if not renamed.commands or command in renamed.commands]
