"""`guard check`: judge conversations and stream a verdict for each."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

import click

from guardcli.cli import exit_codes, inputs, output, text_listing
from guardcli.cli.command import GuardCommand
from guardcli.cli.guard_options import GuardOptions, model_options, record_options, taxonomy_option
from guardcli.cli.input_warnings import InputWarnings
from guardcli.cli.unjudged_message import unjudged_message
from guardcli.conversation import Malformed, Record
from guardcli.engine import EngineStats
from guardcli.formats import ReadOptions, ReadReport
from guardcli.judging.verdict import Verdict
from guardcli.judging.writers import NEEDS_SCORES, WRITERS, Writer, text
from guardcli.report.verdict_lines import LineLayout, category_names, format_tally, format_verdict
from guardcli.text.escaping import pluralize

NO_EXCERPT = "GUARD_NO_EXCERPT"  # set to anything: as --no-excerpt


@click.command(
    cls=GuardCommand,
    exits={
        0: "every message is safe",
        1: "something is unsafe (0 with --exit-zero)",
        2: "wrong usage, or an input, a model or a policy that cannot be used",
        3: "something could not be judged, or the input has no records",
    },
    examples=(
        "printf 'How do I bake bread?\\n' | guard check -m smol",
        "guard check -m smol --target last chats.jsonl",
        "guard check -m smol --format json --with-text chats.jsonl",
        "guard check -m smol --only unsafe -t policy.yaml chats.jsonl",
        "guard check -m smol chats.jsonl && echo 'every message is safe'",
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
@click.option(
    "--no-excerpt",
    is_flag=True,
    help=f"Show no excerpts of messages at a terminal. Elsewhere there are none.  [env: {NO_EXCERPT}]",
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
    no_excerpt: bool,
    stats: bool,
    read_options: ReadOptions,
    **options: Any,
) -> int:
    """Judge the conversations in FILES, or on stdin, and write a verdict for each, in order.

    FILES are JSON Lines, a JSON array, CSV, Parquet or plain text, and may be compressed with gzip or Zstandard. The
    format of the records is detected.
    """
    if inputs.is_input_missing(files):
        return exit_codes.USAGE_ERROR
    sources = inputs.resolve_sources(files)
    output.check_stdout(sources)
    guard_options = GuardOptions(**options)
    if output_format in NEEDS_SCORES:
        guard_options = replace(guard_options, scores=True)
    if list_paths:
        examples = guard_options.with_text or (output.stdout_is_terminal() and not _hides_excerpts(no_excerpt))
        return text_listing.list_text(read_options, sources, examples=examples)
    report = ReadReport()
    warnings = InputWarnings(guard_options.as_user, keep=guard_options.keep, text_fields=read_options.text_fields)
    records = read_options.read(sources, report=report)
    records = warnings.watch(_show_formats(records, report) if guard_options.verbose else records)
    counts = _Counts()
    for_people = output_format == "text" and output.stdout_is_terminal()
    with_text = guard_options.with_text
    if for_people and not _hides_excerpts(no_excerpt):
        guard_options = replace(guard_options, with_text=True)
    with guard_options.open() as guard:
        start = time.monotonic()
        names = category_names(guard.taxonomy)
        if for_people:
            format_line = _line_for_people(sources, names, with_text=with_text)
        else:
            format_line = text.colored if output_format == "text" and output.use_color() else WRITERS[output_format]
        for verdict in guard.judge(records, prefetch="live" if inputs.is_live(sources) else "full"):
            counts.add(verdict)
            if not only or verdict.verdict in only:
                output.write(format_line(verdict) + "\n")
        if stats:
            output.echo_err(_stats(guard.stats, counts.verdicts.total(), time.monotonic() - start))
    _report(counts, names)
    if warnings.report_missing_fields():
        return exit_codes.USAGE_ERROR
    return exit_codes.for_verdicts(counts.verdicts, exit_zero=exit_zero, unread=counts.unread)


@dataclass(slots=True)
class _Counts:
    """How many rows have each verdict, list each category, or are of records with unread text."""

    verdicts: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    unread: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count a row."""
        self.verdicts[verdict.verdict] += 1
        self.categories.update(verdict.categories or ())
        self.unread += bool(verdict.unread)


def _hides_excerpts(no_excerpt: bool) -> bool:
    """Return whether a terminal shows no excerpts of messages, by the option or by the environment."""
    return no_excerpt or bool(os.environ.get(NO_EXCERPT))


def _line_for_people(sources: Sequence[str], names: Mapping[str, str], *, with_text: bool) -> Writer:
    """Return the writer of a terminal's lines. `with_text` shows messages whole."""
    width = None if with_text else output.table_width()
    layout = LineLayout.for_inputs(sources, width=width, category_names=names, color=output.use_color())
    return partial(format_verdict, layout=layout)


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


def _report(counts: _Counts, names: Mapping[str, str]) -> None:
    """Write to stderr what was not judged, and at a terminal the counts of all rows."""
    if not counts.verdicts.total():
        output.echo_err("guard: nothing to judge: the input holds no records")
    elif output.stderr_is_terminal():
        output.echo_err(f"guard: {format_tally(counts.verdicts, counts.categories, names)}")
    elif counts.verdicts["error"] or (counts.unread and counts.verdicts["unsafe"]):
        output.echo_err(f"guard: {unjudged_message(counts.verdicts)}")
    if counts.unread:
        output.echo_err(f"guard: {pluralize(counts.unread, 'row')} of records with text that was not judged (unread)")
