"""`guard diff`: the verdicts that changed between two runs, stored ones or made now under two policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from guardcli.cli import inputs, output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import FINDINGS, OK, UNJUDGED
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.guard_options import GuardOptions, model_options, record_options
from guardcli.cli.page_options import check_page_output, date_option, page_context
from guardcli.evaluation import compare_guards, compare_runs
from guardcli.formats import ReadOptions
from guardcli.judging import reader
from guardcli.judging.writers import jsonl
from guardcli.report import diff_report
from guardcli.taxonomy import Taxonomy


@click.command(
    cls=GuardCommand,
    exits={
        0: "all verdicts are the same",
        1: "some verdicts differ (0 with --exit-zero)",
        2: "wrong usage, or an input, a model or a policy that cannot be used",
        3: "something could not be judged or compared",
    },
    examples=(
        "guard diff verdicts.jsonl decided.jsonl",
        "guard diff verdicts.jsonl decided.jsonl --format html -o diff.html",
        "guard diff -m smol -t llama-guard-3 -t policy.yaml chats.jsonl",
    ),
)
@inputs.files_argument
@click.option(
    "-t", "--taxonomy", "taxonomies", multiple=True, metavar="NAME|YAML", help="Given twice: the policies to compare."
)
@extends_root_option
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="Write text for a terminal, JSON, or an HTML page.",
)
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE instead of stdout."
)
@date_option
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if verdicts differ.")
@inputs.read_options
@model_options
@record_options
def diff(
    *,
    files: tuple[str, ...],
    taxonomies: tuple[str, ...],
    extends_root: Path | None,
    output_format: str,
    path: Path | None,
    date: str | None,
    exit_zero: bool,
    read_options: ReadOptions,
    **options: Any,
) -> int:
    """Compare the verdicts of two stored runs, or judge the same FILES under two policies and compare."""
    if output_format == "html":
        check_page_output(path)
    guard_options = GuardOptions(**options)
    policies: list[Taxonomy] = []
    if taxonomies:
        if len(taxonomies) != 2:
            raise click.UsageError("to compare two policies, give -t/--taxonomy twice")
        sources = inputs.resolve_sources(files)
        names = taxonomies[0], taxonomies[1]
        policies = [Taxonomy.load(name, extends_root=extends_root) for name in names]
        policy_files = [file for policy in policies for file in policy.files]
        path = output.resolve_output(path, [*sources, *guard_options.files(), *policy_files], "-o")
        records = read_options.read(sources)
        with guard_options.open(policies[0]) as before, guard_options.open(policies[1], model=before.model) as after:
            comparison = compare_guards(records, before, after)
    else:
        if policy := next((file for file in files if file.endswith((".yaml", ".yml"))), None):
            raise click.UsageError(
                f"{policy} is a policy: compare two with -t BEFORE -t AFTER, and name files to judge"
            )
        if len(files) != 2:
            raise click.UsageError("name two files of verdicts, or two policies with -t and the files to judge")
        names = files[0], files[1]
        path = output.resolve_output(path, files, "-o")
        comparison = compare_runs(reader.read_verdicts(files[0]), reader.read_verdicts(files[1]))
    with_text = guard_options.with_text
    has_texts = any(row.text is not None for pair in comparison.largest_deltas for row in pair)
    if with_text and output_format != "text" and comparison.num_matched and not has_texts:
        output.echo_err("guard: --with-text: no row has its message; guard check --with-text puts it there")
    if output_format == "html":
        context = page_context(date, policies)
        text = diff_report.as_page(comparison, *names, with_text=with_text, context=context)
    elif output_format == "json":
        value = diff_report.as_json(comparison, *names, with_text=with_text)
        finite = jsonl.finite(value)  # rows that were edited may hold NaN in `meta`
        text = json.dumps(finite, ensure_ascii=True, indent=2, allow_nan=False) + "\n"
    else:
        color = path is None and output.use_color()
        text = diff_report.as_text(comparison, *names, color=color, width=output.table_width())
    output.write_result(path, text)
    if not comparison.num_matched:
        output.echo_err("guard: the two runs have no record in common")
    unjudged = any("error" in verdicts for verdicts in comparison.verdicts)
    if unjudged or not comparison.num_matched:
        return UNJUDGED
    return OK if exit_zero or not (comparison.num_changed or any(comparison.unmatched)) else FINDINGS
