"""Options that have no effect together with others: one table, and a notice on stderr for each that a user gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

# What only a model needs.
_MODEL = (
    "--lora",
    "--template",
    "--per-category",
    "--max-record-tokens",
    "--gpu",
    "--gpu-layers",
    "--threads",
    "--max-prompt-tokens",
    "--batch-size",
    "--ubatch-size",
    "--flash-attention",
    "--parallel",
    "--reproducible",
    "--allow-unverified-model",
)
_READING = ("--input-format", "--messages-path", "--max-record-bytes", "--ignore", "--text-field")
_JUDGES = frozenset({"check", "filter", "audit", "diff", "eval", "test", "doctor"})  # commands with a model


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEffect:
    """Options of some commands that do nothing where a condition of `given` holds, if it has any, and none of `unless`.

    A condition is an option that has a value (`--model`), an option and its value (`--format html`), or an argument by
    its name in the help (`LABELED`).
    """

    commands: frozenset[str] | set[str]
    options: frozenset[str] | set[str]
    given: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The end of the notice, such as `with --paths` or `without --format html`."""
        conditions = (("with", self.given), ("without", self.unless))
        return " and ".join(f"{word} {' or '.join(options)}" for word, options in conditions if options)


NO_EFFECT = (
    NoEffect(
        commands={"check"},
        options={
            *("--model", "--taxonomy", "--threshold", "--calibration", "--target", "--as-user", "--scores", "--keep"),
            *("--format", "--only", "--stats", "--exit-zero", *_MODEL),
        },
        given=("--paths",),
    ),
    NoEffect(commands={"check"}, options={"--keep"}, unless=("--format json",)),
    NoEffect(commands={"check"}, options={"--scores"}, unless=("--format json", "--format openai")),
    NoEffect(commands={"check"}, options={"--with-text"}, given=("--format openai",)),
    NoEffect(commands={"check"}, options={"--no-excerpt"}, given=("--format json", "--format openai", "--with-text")),
    NoEffect(
        commands={"audit"},
        options={"--workers", "--gpus-per-worker", "--worker-timeout", "--mixed", "--keep-parts"},
        unless=("--ray",),
    ),
    NoEffect(commands={"audit"}, options={"--allow-left-out"}, unless=("--max-unsafe", "--max-errors")),
    NoEffect(
        commands={"diff"},
        options={
            *("--model", "--threshold", "--calibration", "--target", "--as-user", "--scores", "--keep"),
            *("--extends-root", *_MODEL, *_READING),
        },
        unless=("--taxonomy",),
    ),
    NoEffect(commands={"diff"}, options={"--with-text"}, given=("--format text",)),
    NoEffect(commands={"diff"}, options={"--date"}, unless=("--format html",)),
    NoEffect(commands={"eval"}, options={"--date", "--with-text"}, unless=("--format html", "--html")),
    NoEffect(
        commands={"eval"},
        options={"--shots", "--as-user", *_MODEL},
        given=("--verdicts", "--score-field"),
        unless=("--model",),
    ),
    NoEffect(
        commands={"check", "filter", "audit", "doctor", "eval", "report", "prepare"},
        options={"--extends-root"},
        unless=("--taxonomy",),
    ),
    NoEffect(commands={"new"}, options={"--extends-root"}, unless=("--extends",)),
    NoEffect(
        commands={"test"},
        options={"--label-field", "--category-field", "--dataset", "--input-format"},
        unless=("LABELED",),
    ),
    NoEffect(
        commands={"doctor"},
        options={"--taxonomy", "--threshold", "--calibration", *(one for one in _MODEL if one != "--gpu")},
        unless=("--model",),
    ),
    NoEffect(commands=_JUDGES, options={"--gpu-layers"}, given=("--gpu off",)),
    NoEffect(commands=_JUDGES, options={"--parallel"}, given=("--reproducible",)),
    NoEffect(commands={"prepare"}, options={"--drop-overlap"}, unless=("--exclude",)),
    NoEffect(
        commands={"prepare"},
        options={"--group-size", "--made-safe", "--renumber", "--names", "--describe"},
        given=("--copies 0",),
    ),
    NoEffect(
        commands={"prepare"},
        options={"--group-size", "--made-safe", "--renumber"},
        given=("--template smol-guard-2",),
    ),
    NoEffect(commands={"prepare"}, options={"--negatives"}, unless=("--template smol-guard-2",)),
    NoEffect(commands={"prepare"}, options={"--with-text"}, given=("--samples 0",)),
)


def no_effect_notices(command: str, context: click.Context) -> Iterator[str]:
    """Yield a notice for each option on the command line that has no effect with the others."""
    noticed = set()
    for entry in NO_EFFECT:
        if command not in entry.commands or (entry.given and not any(_holds(context, one) for one in entry.given)):
            continue
        if any(_holds(context, one) for one in entry.unless):
            continue
        for param in context.command.params:
            given = context.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
            if given and param.name not in noticed and not entry.options.isdisjoint(param.opts):
                noticed.add(param.name)
                yield f"{max(param.opts, key=len)} has no effect {entry.reason}"


def _holds(context: click.Context, condition: str) -> bool:
    """Whether an option or an argument of a condition has a value, or the value that the condition names."""
    name, _, wanted = condition.partition(" ")
    for param in context.command.params:
        if name in param.opts or (isinstance(param, click.Argument) and name in (param.metavar or "")):
            value: Any = context.params.get(param.name or "")
            if wanted:
                return str(value) == wanted
            return bool(value) and context.get_parameter_source(param.name or "") is not ParameterSource.DEFAULT
    return False
