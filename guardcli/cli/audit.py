"""`guard audit`: judge large inputs into a file, resumable after a crash at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from guardcli.audit import (
    UNIT_BYTES,
    AuditObserver,
    InputFiles,
    Interrupted,
    Interrupts,
    Item,
    Shard,
    SkippedFile,
    audit,
    describe_skipped,
)
from guardcli.audit.journal import Checkpoint, JournalState, files_of
from guardcli.cli import inputs, output
from guardcli.cli.cache_path import cache_path
from guardcli.cli.exit_codes import FINDINGS, OK, UNJUDGED
from guardcli.cli.guard_options import GuardOptions, model_options, record_options, taxonomy_option
from guardcli.cli.input_warnings import InputWarnings
from guardcli.cli.limits import CountOrFraction, CountOrFractionOption, ShardOption
from guardcli.cli.progress_line import ProgressLine
from guardcli.formats import UNREAD_TEXT, ReadOptions
from guardcli.judging import Guard
from guardcli.judging.summary import Summary
from guardcli.report import audit_report
from guardcli.text.escaping import escape_terminal, pluralize

_MAX_NAMES = 10  # files that are not read are named up to this number


@click.command("audit", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path), required=True, metavar="OUT", help="The verdicts."
)
@click.option(
    "--shard",
    type=ShardOption(),
    metavar="I/N",
    default="1/1",
    help="Judge only the Ith of N parts, which guard merge joins.",
)
@click.option(
    "--unit-bytes",
    type=click.IntRange(min=1),
    metavar="N",
    default=UNIT_BYTES,
    show_default=True,
    help="Cut files of JSON Lines and plain lines into units of so many bytes; a shard takes whole units.",
)
@click.option(
    "--block-tokens",
    type=click.IntRange(min=1),
    metavar="N",
    help="Commit whenever so many prompt tokens are judged, about; by the size of the model if left out.",
)
@click.option(
    "--max-unsafe",
    type=CountOrFractionOption(),
    metavar="SHARE",
    help="Fail if a larger share is unsafe: 0.1%, 0.001, or a number such as 25.",
)
@click.option("--max-errors", type=CountOrFractionOption(), metavar="SHARE", help="Fail if more could not be judged.")
@click.option(
    "--allow-left-out",
    is_flag=True,
    help="Let the gates pass although something in a folder, such as a hidden file, is not read.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
@inputs.read_options
@inputs.requests_option
@model_options
@taxonomy_option
@record_options
def audit_(
    *,
    names: tuple[str, ...],
    path: Path,
    shard: Shard,
    unit_bytes: int,
    block_tokens: int | None,
    max_unsafe: CountOrFraction | None,
    max_errors: CountOrFraction | None,
    allow_left_out: bool,
    quiet: bool,
    read_options: ReadOptions,
    requests: tuple[str, ...],
    **options: Any,
) -> int:
    """Judge files and folders of records into OUT, rows as `guard check --format json` writes them.

    \b
    guard audit logs/ -o verdicts.jsonl -m llama-guard-3-8b.gguf -t policy.yaml

    Killed at any moment and started again with the same command, it resumes where it was and ends with the same bytes
    as a run that was never interrupted. OUT.journal says how far it is.

    Of folders all files are read but hidden ones; links to folders are not followed. What is left out is named, and
    fails a gate: name it as an INPUT to have it read.

    Exits with 0 if it ran to its end, 1 if more is unsafe than --max-unsafe allows, 2 on wrong usage or if a file
    cannot be read, 3 if more could not be judged than --max-errors allows, or with a gate if something was left out.
    """
    if str(path) == "-":
        raise click.UsageError("an audit's output is a file that it can take up again: name one with -o")
    guard_options = GuardOptions(**options)
    for file in files_of(path):
        output.check_output_file(file, (), "-o")
    try:
        result = audit(
            names,
            path,
            model=guard_options.model_config(),
            taxonomy=guard_options.load_taxonomy(),
            config=guard_options.judge_config(),
            engine=guard_options.engine_config(),
            cache=cache_path(),
            read_options=read_options,
            requests=inputs.resolve_sources(requests) if requests else (),
            shard=shard,
            unit_bytes=unit_bytes,
            block_tokens=block_tokens,
            observer=_TerminalObserver(guard_options, quiet=quiet),
            interrupts=Interrupts(),
        )
    except Interrupted as interrupted:
        output.echo_err(f"guard: ended by {interrupted}: the same command goes on")
        return 128 + interrupted.number
    left_out = () if allow_left_out else result.left_out
    return _finish(result.summary, max_unsafe, max_errors, left_out, quiet=quiet)


class _TerminalObserver(AuditObserver):
    """Shows progress and what happens on stderr; with `quiet` only what is out of the ordinary."""

    def __init__(self, guard_options: GuardOptions, *, quiet: bool) -> None:
        self._guard_options = guard_options
        self._quiet = quiet
        self._warnings = InputWarnings(guard_options.as_user)

    def phase(self, line: Callable[[], str]) -> ProgressLine:
        return ProgressLine(line, quiet=self._quiet)

    def watch(self, records: Iterable[Item]) -> Iterable[Item]:
        return self._warnings.watch(records)

    def on_inputs(self, files: InputFiles) -> None:
        if files.left_out:
            _list_files(
                "not read",
                describe_skipped(files.left_out),
                [f"{escape_terminal(one.path)}: {one.kind}" for one in files.left_out],
            )
        if files.duplicates:
            duplicates = [
                f"{escape_terminal(one.path)}: the same as {escape_terminal(one.read_as)}" for one in files.duplicates
            ]
            _list_files("read once", pluralize(len(duplicates), "other name"), duplicates)

    def on_open(self, guard: Guard) -> None:
        self._guard_options.show_settings(guard)

    def on_resume(self, path: Path, checkpoint: Checkpoint) -> None:
        if not self._quiet:
            output.echo_err(f"guard: {path} has {pluralize(checkpoint.rows, 'row')}: going on from there")

    def on_finished_before(self, path: Path, checkpoint: Checkpoint) -> None:
        if not self._quiet:
            output.echo_err(f"guard: {path} is finished: {pluralize(checkpoint.rows, 'row')}")

    def on_isolation(self, state: JournalState) -> None:
        died = "by a fault" if state.faults else f"{state.silent_deaths} times"
        output.echo_err(f"guard: the run ended in one block {died}: its records are tried one by one")

    def on_poison_record(self, location: str, signal: str) -> None:
        output.echo_err(f"guard: {escape_terminal(location)} ends the process ({signal}): it becomes an error row")

    def on_no_poison_record(self) -> None:
        output.echo_err("guard: none of them ends the process: the block is begun again")


def _list_files(heading: str, counts: str, lines: Sequence[str]) -> None:
    output.echo_err(f"guard: {heading}: {counts}")
    for line in lines[:_MAX_NAMES]:
        output.echo_err(f"  {line}")
    if len(lines) > _MAX_NAMES:
        output.echo_err(f"  and {len(lines) - _MAX_NAMES:,} more")


def _finish(
    summary: Summary,
    max_unsafe: CountOrFraction | None,
    max_errors: CountOrFraction | None,
    left_out: Sequence[SkippedFile],
    *,
    quiet: bool,
) -> int:
    """Show the summary of all attempts, and return the exit code by the gates."""
    total, counts = summary.total, summary.verdicts
    if not quiet:
        output.echo_err_text(audit_report.as_text(summary))
    if not total:
        output.echo_err("guard: nothing to judge: the input holds no records")
        return UNJUDGED
    if max_unsafe is not None and max_errors is None:
        max_errors = CountOrFraction(0)  # what could not be judged is not known to be safe
    unread = summary.flags[UNREAD_TEXT]
    if max_errors is not None and max_errors.is_exceeded(counts["error"] + unread, total):
        with_unread = f", and {pluralize(unread, 'row')} of records with text that was not judged" if unread else ""
        output.echo_err(
            f"guard: {counts['error']:,} of {total:,} could not be judged{with_unread}: more than --max-errors allows"
        )
        return UNJUDGED
    if left_out and (max_unsafe is not None or max_errors is not None):
        output.echo_err(
            f"guard: the gates cover what was read, but not {describe_skipped(left_out)}: name these as inputs to have "
            "them judged, or pass --allow-left-out"
        )
        return UNJUDGED
    if max_unsafe is not None and max_unsafe.is_exceeded(counts["unsafe"], total):
        output.echo_err(f"guard: {counts['unsafe']:,} of {total:,} are unsafe: more than --max-unsafe allows")
        return FINDINGS
    return OK
