"""`guard report`: one self-contained HTML page of stored verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import click

from guardcli.cli import inputs, output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK, UNJUDGED, USAGE_ERROR
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.page_options import check_page_output, date_option, page_context
from guardcli.errors import InputError
from guardcli.judging import reader
from guardcli.judging.summary import Summary, summarize
from guardcli.report.audit_report import as_page
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_terminal, pluralize


@click.command(
    cls=GuardCommand,
    exits={0: "the page is written", 2: "wrong usage, or rows that cannot be read", 3: "there are no rows"},
    examples=(
        "guard report verdicts.jsonl -o report.html",
        "guard check -m smol --format json --with-text chats.jsonl | guard report --with-text -o report.html",
    ),
)
@click.argument("files", nargs=-1, metavar="[VERDICTS]...")
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE instead of stdout."
)
@click.option("--title", default="Audit of conversations", show_default=True, help="The title of the page.")
@click.option(
    "--time",
    metavar="FIELD",
    help="A field kept by guard check --keep that holds a date or an epoch: adds a table over time.",
)
@click.option(
    "--with-text", is_flag=True, help="Include the judged messages, if the rows have them (guard check --with-text)."
)
@click.option(
    "-t",
    "--taxonomy",
    "taxonomies",
    multiple=True,
    metavar="NAME|YAML",
    help="The policy of the rows, for the names of its categories. Built-in ones are known. Repeatable.",
)
@extends_root_option
@date_option
def report(
    *,
    files: tuple[str, ...],
    path: Path | None,
    taxonomies: tuple[str, ...],
    extends_root: Path | None,
    title: str,
    time: str | None,
    with_text: bool,
    date: str | None,
) -> int:
    """Make one self-contained HTML page of the stored VERDICTS, or of rows on stdin."""
    if inputs.is_input_missing(files):
        return USAGE_ERROR
    check_page_output(path)
    files = files or ("-",)
    policies = [Taxonomy.load(name, extends_root=extends_root) for name in taxonomies]
    path = output.resolve_output(path, [*files, *(file for policy in policies for file in policy.files)], "-o")
    rows = chain.from_iterable(reader.read_verdicts(file) for file in files)
    summary = summarize(rows, time=time)
    if time is not None and summary.total:
        _check_time(summary, time)
    if with_text and summary.total and not summary.num_texts:
        output.echo_err("guard: --with-text: no row has its message; guard check --with-text puts it there")
    _check_taxonomies(summary, policies)
    output.write_result(path, as_page(summary, title, with_text=with_text, context=page_context(date, policies)))
    if not summary.total:
        output.echo_err("guard: the input has no verdicts: the page is empty")
    return OK if summary.total else UNJUDGED


def _check_taxonomies(summary: Summary, policies: Sequence[Taxonomy]) -> None:
    """Warn of policies that no row was judged by: the page has none of their names."""
    digests = {by.prompt_digest for by in summary.made_by}
    for policy in policies:
        if summary.total and policy.prompt_digest not in digests:
            output.echo_err(
                f"guard: -t {policy.name}: no row was judged by this policy: its names are not on the page "
                f"(prompt digest {policy.prompt_digest}, rows have {', '.join(sorted(digests)[:3])})"
            )


def _check_time(summary: Summary, time: str) -> None:
    """Say how many rows have no date. Raise InputError: none has one."""
    if not summary.timed:
        raise InputError(
            f"--time {time}: no row has this field in `meta`: guard check --keep {time} puts it there",
            code="option/field-not-found",
        )
    if not summary.by_day:
        raise InputError(
            f"--time {time}: no date can be read in it; the first is {summary.unread_date!r}: write 2026-01-31, or "
            "seconds since 1970",
            code="option/invalid",
        )
    if summary.undated:
        example = "" if summary.unread_date is None else f", such as {summary.unread_date!r}"
        output.echo_err(
            f"guard: {summary.undated:,} of {pluralize(summary.total, 'row')} have no readable date in "
            f"{escape_terminal(time)}{escape_terminal(example)}: they are not in the chart over time"
        )
