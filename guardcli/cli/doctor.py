"""`guard doctor`: what is installed, what is offloaded, does the model answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from guardcli.cli import output
from guardcli.cli.exit_codes import FINDINGS, OK
from guardcli.cli.guard_options import GuardOptions, model_options, taxonomy_option
from guardcli.judging import diagnostics as examination
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
    found = [_written(finding) for finding in examination.installation()]
    if guard_options.model:
        found += [_written(finding) for finding in _examined(guard_options)]
    else:
        output.write("model: none named (-m): not examined\n")
    return OK if all(found) else FINDINGS


def _examined(guard_options: GuardOptions) -> Iterator[Check]:
    with replace(guard_options, force=True).open() as guard:
        yield from examination.model(guard)


def _written(finding: Check) -> bool:
    """Write a finding; whether it is good."""
    mark = "" if finding.good else "  <- WRONG"
    advice = "" if finding.good and "\n" not in finding.advice else f"\n  {finding.advice}"
    output.write(f"{finding.name}: {escape_line(finding.value)}{mark}{advice}\n")
    return finding.good
