"""`guard check`: judge conversations and stream a verdict for each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import click

from guardcli.cli import exit_codes, inputs, output, text_listing
from guardcli.cli.command import GuardCommand
from guardcli.cli.guard_options import GuardOptions, model_options, record_options, taxonomy_option
from guardcli.cli.input_warnings import InputWarnings
from guardcli.conversation import Malformed, Record
from guardcli.engine import EngineStats
from guardcli.formats import ReadOptions, ReadReport
from guardcli.judging.writers import NEEDS_SCORES, WRITERS, Writer, text
from guardcli.text.escaping import pluralize


@click.command(
    cls=GuardCommand,
    exits={
        0: "every message is safe",
        1: "something is unsafe (0 with --exit-zero)",
        2: "wrong usage, or an input, a model or a policy that cannot be used",
        3: "something could not be judged, or the input has no records",
    },
    examples=(
        "printf 'How do I bake bread?\\n' | guard check -m starter",
        "guard check -m starter --target last chats.jsonl",
        "guard check -m starter --format json --with-text chats.jsonl",
        "guard check -m starter --only unsafe -t policy.yaml chats.jsonl",
        "guard check -m starter chats.jsonl && echo 'every message is safe'",
    ),
)
@inputs.files_argument
@model_options
@taxonomy_option
@record_options
@click.option(
    "--format",
    "output_format",
    type=click.Choice(list(WRITERS)),
    default="text",
    show_default=True,
    help="Write text, the JSON rows of `guard schema verdict`, or OpenAI moderation results.",
)
@click.option(
    "--only",
    type=click.Choice(["unsafe", "safe", "error"]),
    multiple=True,
    help="Write only rows with this verdict. Repeatable.",
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if something is unsafe.")
@click.option(
    "--paths",
    "list_paths",
    is_flag=True,
    help="Judge nothing: list the fields that have text, and whether each is judged. Needs no model.",
)
@click.option("--stats", is_flag=True, help="Show token counts and speed on stderr at the end.")
@inputs.read_options
def check(
    *,
    files: tuple[str, ...],
    output_format: str,
    only: tuple[str, ...],
    exit_zero: bool,
    list_paths: bool,
    stats: bool,
    read_options: ReadOptions,
    **options: Any,
) -> int:
    """Judge the conversations in FILES, or on stdin, and write a verdict for each, in order.

    FILES are JSON Lines, a JSON array, CSV, Parquet or plain text, and may be compressed with gzip or Zstandard. The
    format of the records is detected.
    """
    if inputs.show_help_if_interactive(files):
        return exit_codes.USAGE_ERROR
    sources = inputs.resolve_sources(files)
    output.check_stdout(sources)
    guard_options = GuardOptions(**options)
    if output_format in NEEDS_SCORES:
        guard_options = replace(guard_options, scores=True)
    if list_paths:
        return text_listing.list_text(read_options, sources)
    report = ReadReport()
    warnings = InputWarnings(guard_options.as_user, keep=guard_options.keep, text_fields=read_options.text_fields)
    records = read_options.read(sources, report=report)
    records = warnings.watch(_show_formats(records, report) if guard_options.verbose else records)
    verdict_counts: Counter[str] = Counter()
    unread = 0
    format_line = _writer(output_format)
    with guard_options.open() as guard:
        start = time.monotonic()
        for verdict in guard.judge(records, prefetch="live" if inputs.is_live(sources) else "full"):
            verdict_counts[verdict.verdict] += 1
            unread += bool(verdict.unread)
            if not only or verdict.verdict in only:
                output.write(format_line(verdict) + "\n")
        if stats:
            output.echo_err(_stats(guard.stats, verdict_counts.total(), time.monotonic() - start))
    code = _finish(verdict_counts, unread, exit_zero=exit_zero)
    return exit_codes.USAGE_ERROR if warnings.report_missing_fields() else code


def _writer(output_format: str) -> Writer:
    return text.colored if output_format == "text" and output.use_color() else WRITERS[output_format]


def _stats(stats: EngineStats, rows: int, seconds: float) -> str:
    """Format what a run took, on one line. Tokens that were not evaluated were found in the prefix cache."""
    distinct = f", {stats.unique_tokens:,} distinct" if stats.unique_tokens else ""
    shared = 1 - stats.prefill_tokens / stats.prompt_tokens if stats.prompt_tokens else 0
    return (
        f"guard: {rows:,} rows, {stats.prompts:,} prompts of {stats.prompt_tokens:,} tokens{distinct}, "
        f"{stats.prefill_tokens:,} evaluated ({shared:.0%} shared), {stats.decode_tokens:,} of answers; "
        f"{seconds:.2f} s, {stats.prefill_tokens / seconds:,.0f} tokens/s, {rows / seconds:,.1f} rows/s"
    )


def _show_formats(records: Iterator[Record | Malformed], report: ReadReport) -> Iterator[Record | Malformed]:
    """Write each format to stderr before the first record that it was detected in."""
    shown = 0
    for record in chain(records, [None]):  # an input without records has a format too
        if len(report.formats) > shown:
            for source, name in list(report.formats)[shown:]:
                output.echo_err(f"guard: {source}: {name}")
            shown = len(report.formats)
        if record is not None:
            yield record


def _finish(verdict_counts: Counter[str], unread: int, *, exit_zero: bool) -> int:
    """Report on stderr what was not judged, and return the exit code."""
    if not verdict_counts:
        output.echo_err("guard: nothing to judge: the input holds no records")
    if verdict_counts["error"]:
        output.echo_err(
            f"guard: {verdict_counts['error']:,} of {pluralize(verdict_counts.total(), 'row')} could not be judged"
        )
    if unread:
        output.echo_err(f"guard: {pluralize(unread, 'row')} of records with text that was not judged (unread)")
    return exit_codes.for_verdicts(verdict_counts, exit_zero=exit_zero, unread=unread)
