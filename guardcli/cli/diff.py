"""`guard diff`: the verdicts that changed between two runs, stored ones or made now under two policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from guardcli.cli import inputs, output
from guardcli.cli.exit_codes import FINDINGS, OK, UNJUDGED
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.guard_options import GuardOptions, model_options, record_options
from guardcli.cli.page_options import date_option, page_context
from guardcli.evaluation import Comparison, compare_guards, compare_runs
from guardcli.formats import ReadOptions
from guardcli.judging import reader
from guardcli.judging.writers import jsonl
from guardcli.report import diff_report
from guardcli.taxonomy import Taxonomy


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@inputs.files_argument
@click.option(
    "-t", "--taxonomy", "taxonomies", multiple=True, metavar="NAME|YAML", help="Twice: the policies to compare."
)
@extends_root_option
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="How the comparison is written.",
)
@click.option("--with-text", is_flag=True, help="Put messages into the HTML page.")
@date_option
@click.option("--exit-zero", is_flag=True, help="Exit with 0 although verdicts differ.")
@inputs.read_options
@model_options
@record_options
def diff(
    *,
    files: tuple[str, ...],
    taxonomies: tuple[str, ...],
    extends_root: Path | None,
    output_format: str,
    with_text: bool,
    date: str | None,
    exit_zero: bool,
    read_options: ReadOptions,
    **options: Any,
) -> int:
    """Compare two runs: two files of verdicts, or one input judged under two policies.

    \b
    guard diff old.jsonl new.jsonl
    guard diff -t old.yaml -t new.yaml chats.jsonl -m llama-guard-3-8b.gguf

    Exits with 0 if all verdicts are the same, 1 if some differ, 3 if something could not be judged or compared.
    """
    policies: list[Taxonomy] = []
    if taxonomies:
        if len(taxonomies) != 2:
            raise click.UsageError("-t/--taxonomy names the policies to compare: give it twice")
        records = read_options.read(inputs.resolve_sources(files))
        names = taxonomies[0], taxonomies[1]
        policies = [Taxonomy.load(name, extends_root=extends_root) for name in names]
        guard_options = GuardOptions(**options | {"show_text": options["show_text"] or with_text})
        with guard_options.open(policies[0]) as before, guard_options.open(policies[1], model=before.model) as after:
            comparison = compare_guards(records, before, after)
    else:
        if len(files) != 2:
            raise click.UsageError("name two files of verdicts, or two policies with -t and the data to judge")
        names = files[0], files[1]
        comparison = compare_runs(reader.read_verdicts(files[0]), reader.read_verdicts(files[1]))
    if output_format == "html":
        context = page_context(date, policies)
        output.write(diff_report.as_page(comparison, *names, with_text=with_text, context=context))
    else:
        output.write(_format(comparison, names, output_format))
    if not comparison.num_matched:
        output.echo_err("guard: the two runs have no record in common")
    unjudged = any("error" in verdicts for verdicts in comparison.verdicts)
    if unjudged or not comparison.num_matched:
        return UNJUDGED
    return OK if exit_zero or not (comparison.num_changed or any(comparison.unmatched)) else FINDINGS


def _format(comparison: Comparison, names: tuple[str, str], output_format: str) -> str:
    if output_format == "json":
        value = jsonl.finite(diff_report.as_json(comparison, *names))  # rows that were edited may hold NaN in `meta`
        return json.dumps(value, ensure_ascii=True, indent=2, allow_nan=False) + "\n"
    return diff_report.as_text(comparison, *names, color=output.use_color(), width=output.table_width())
