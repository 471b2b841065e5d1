"""`guard doctor`: what is installed, what is offloaded, does the model answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import FINDINGS, OK
from guardcli.cli.guard_options import GuardOptions, model_options, taxonomy_option
from guardcli.judging import diagnostics
from guardcli.judging.diagnostics import Check
from guardcli.text.escaping import escape_line


@click.command(
    cls=GuardCommand,
    exits={0: "no problem was found", 1: "the model has a problem", 2: "the model cannot be loaded"},
    examples=("guard doctor", "guard doctor -m starter"),
)
@model_options
@taxonomy_option
def doctor(**options: Any) -> int:
    """Check the installation and GPU offload, and with -m whether the model answers with verdicts, and how fast."""
    guard_options = GuardOptions(**options)
    passed = [_write_check(check) for check in diagnostics.installation()]
    if guard_options.model:
        passed += [_write_check(check) for check in _check_model(guard_options)]
    else:
        output.write("model: not checked (name one with -m)\n")
    return OK if all(passed) else FINDINGS


def _check_model(guard_options: GuardOptions) -> Iterator[Check]:
    with replace(guard_options, allow_unverified_model=True).open() as guard:
        yield from diagnostics.model(guard)


def _write_check(check: Check) -> bool:
    """Write the line of a check, and return whether it passed."""
    mark = "" if check.good else "  <- WRONG"
    advice = "" if check.good and "\n" not in check.advice else f"\n  {check.advice}"
    output.write(f"{check.name}: {escape_line(check.value)}{mark}{advice}\n")
    return check.good
