"""The option `--date` of commands that make pages, and the context that their pages tell."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from guardcli.cli import output
from guardcli.report.page_parts import PageContext
from guardcli.taxonomy import Taxonomy


class _DateType(click.ParamType[str]):
    """A date such as 2026-01-31, or "today"."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "today":
            return datetime.date.today().isoformat()
        try:
            return datetime.date.fromisoformat(value).isoformat()
        except ValueError:
            self.fail(f"invalid date {value!r}; expected 2026-01-31 or today", param, ctx)


date_option = click.option(
    "--date",
    type=_DateType(),
    metavar="DATE",
    help="The date on the page, such as 2026-01-31 or today. Default: none, so that the same rows give the same page.",
)


def check_page_output(path: Path | None) -> None:
    """Raise UsageError: a page would be written to a terminal."""
    if path is None and output.stdout_is_terminal():
        raise click.UsageError(
            "the page is HTML, which a terminal does not show: name a file with -o, such as -o page.html"
        )


def page_context(date: str | None, taxonomies: Sequence[Taxonomy] = ()) -> PageContext:
    """What a page tells of how it was made: the command that runs now, and a date if one was given."""
    arguments = click.get_current_context().obj or ()
    return PageContext(command=shlex.join(["guard", *arguments]), date=date, taxonomies=taxonomies)
