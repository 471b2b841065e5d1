"""`guard check`: judge conversations and stream a verdict for each."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any

import click

from guardcli.cli import exit_codes, inputs, output, text_listing
from guardcli.cli.guard_options import GuardOptions, model_options, record_options, taxonomy_option
from guardcli.cli.input_warnings import InputWarnings
from guardcli.engine import EngineStats
from guardcli.judging.writers import NEEDS_SCORES, WRITERS, Writer, text
from guardcli.text.escaping import pluralize


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
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
    help="How verdicts are written.",
)
@click.option(
    "--only", type=click.Choice(["unsafe", "safe", "error"]), multiple=True, help="Write only these. Repeatable."
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 although something is unsafe.")
@click.option(
    "--paths", "list_paths", is_flag=True, help="List where the input has text and what happens to it; needs no model."
)
@click.option("--stats", is_flag=True, help="Tell on stderr what was evaluated, what was shared, and how fast.")
@inputs.input_options
def check(
    *,
    files: tuple[str, ...],
    output_format: str,
    only: tuple[str, ...],
    exit_zero: bool,
    list_paths: bool,
    stats: bool,
    input_options: inputs.InputOptions,
    **options: Any,
) -> int:
    """Judge conversations from FILES, or stdin: one verdict each, in order.

    Input is JSON Lines, a JSON array, CSV, Parquet or plain text, compressed with gzip or Zstandard or not; the formats
    of records are told apart by their keys.

    \b
    guard check -m llama-guard-3-8b.gguf chat.jsonl
    tail -f chat.log | guard check --format json --only unsafe
    printf 'How do I bake bread?\\n' | guard check

    Exits with 0 if all is safe, 1 if something is unsafe, 2 on wrong usage, 3 if something could not be judged
    (which outranks 1) or nothing was there to judge, 130 if interrupted, 141 if the reader went away.
    """
    if inputs.show_help_if_interactive(files):
        return exit_codes.USAGE_ERROR
    sources = inputs.resolve_sources(files)
    output.check_stdout(sources)
    guard_options = GuardOptions(**options)
    if output_format in NEEDS_SCORES:
        guard_options = replace(guard_options, scores=True)
    if list_paths:
        return text_listing.list_text(input_options, sources)
    tell = _tell if guard_options.verbose else lambda _source, _format: None
    warnings = InputWarnings(guard_options.as_user, keep=guard_options.keep, text_fields=input_options.text_field)
    records = warnings.watch(input_options.read(sources, on_detect=tell))
    tally: Counter[str] = Counter()
    unread = 0
    line = _writer(output_format)
    with guard_options.open() as guard:
        start = time.monotonic()
        for verdict in guard.judge(records, prefetch="live" if inputs.is_live(sources) else "full"):
            tally[verdict.verdict] += 1
            unread += bool(verdict.unread)
            if not only or verdict.verdict in only:
                output.write(line(verdict) + "\n")
        if stats:
            output.echo_err(_stats(guard.stats, tally.total(), time.monotonic() - start))
    code = _finish(tally, unread, exit_zero=exit_zero)
    return exit_codes.USAGE_ERROR if warnings.report_missing_fields() else code


def _writer(output_format: str) -> Writer:
    return text.colored if output_format == "text" and output.use_color() else WRITERS[output_format]


def _stats(stats: EngineStats, rows: int, seconds: float) -> str:
    """What a run took, on one line. A prompt's tokens that were not evaluated were shared with another's."""
    distinct = f", {stats.unique_tokens:,} distinct" if stats.unique_tokens else ""
    shared = 1 - stats.prefill_tokens / stats.prompt_tokens if stats.prompt_tokens else 0
    return (
        f"guard: {rows:,} rows, {stats.prompts:,} prompts of {stats.prompt_tokens:,} tokens{distinct}, "
        f"{stats.prefill_tokens:,} evaluated ({shared:.0%} shared), {stats.decode_tokens:,} of answers; "
        f"{seconds:.2f} s, {stats.prefill_tokens / seconds:,.0f} tokens/s, {rows / seconds:,.1f} rows/s"
    )


def _tell(source: str, format_name: str) -> None:
    output.echo_err(f"guard: {source}: {format_name}")


def _finish(tally: Counter[str], unread: int, *, exit_zero: bool) -> int:
    """The exit code. What a reader of the rows might miss is said on stderr."""
    if not tally:
        output.echo_err("guard: nothing to judge: the input holds no records")
    if tally["error"]:
        output.echo_err(f"guard: {tally['error']:,} of {pluralize(tally.total(), 'row')} could not be judged")
    if unread:
        output.echo_err(f"guard: {pluralize(unread, 'row')} of records with text that was not judged (unread)")
    return exit_codes.for_verdicts(tally, exit_zero=exit_zero, unread=unread)
