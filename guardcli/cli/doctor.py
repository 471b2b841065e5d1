"""`guard doctor`: what is installed, what is offloaded, does the model answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from guardcli.cli import output
from guardcli.cli.exit_codes import FINDINGS, OK
from guardcli.cli.guard_options import GuardOptions, model_options, taxonomy_option
from guardcli.judging import diagnostics
from guardcli.judging.diagnostics import Check
from guardcli.text.escaping import escape_line


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@model_options
@taxonomy_option
def doctor(**options: Any) -> int:
    """Tell what is installed and whether a GPU is used; with a model, whether it answers, and how fast.

    Exits with 0 if all is well, 1 if something is wrong with the model, 2 if it cannot be loaded.
    """
    guard_options = GuardOptions(**options)
    passed = [_write_check(check) for check in diagnostics.installation()]
    if guard_options.model:
        passed += [_write_check(check) for check in _check_model(guard_options)]
    else:
        output.write("model: none named (-m): not examined\n")
    return OK if all(passed) else FINDINGS


def _check_model(guard_options: GuardOptions) -> Iterator[Check]:
    with replace(guard_options, force=True).open() as guard:
        yield from diagnostics.model(guard)


def _write_check(check: Check) -> bool:
    """Write the line of a check, and return whether it passed."""
    mark = "" if check.good else "  <- WRONG"
    advice = "" if check.good and "\n" not in check.advice else f"\n  {check.advice}"
    output.write(f"{check.name}: {escape_line(check.value)}{mark}{advice}\n")
    return check.good
