"""`guard audit`: judge large inputs into a file, resumable after a crash at any moment."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from guardcli.audit import (
    UNIT_BYTES,
    AuditJob,
    AuditObserver,
    InputFiles,
    Interrupted,
    Interrupts,
    Item,
    Shard,
    SkippedFile,
    describe_skipped,
)
from guardcli.audit.auditing import run_job
from guardcli.audit.journal import Checkpoint, JournalState, files_of, read_state
from guardcli.cli import inputs, output
from guardcli.cli.cache_path import cache_path
from guardcli.cli.cluster_options import cluster_options, pop_cluster_config
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import FINDINGS, OK, UNJUDGED
from guardcli.cli.guard_options import GuardOptions, model_options, record_options, taxonomy_option
from guardcli.cli.input_warnings import InputWarnings
from guardcli.cli.limits import CountOrFraction, CountOrFractionOption, ShardOption
from guardcli.cli.progress_line import ProgressLine
from guardcli.distributed import audit_on_cluster
from guardcli.errors import GuardError
from guardcli.formats import UNREAD_TEXT, ReadOptions, Remark
from guardcli.judging import Guard
from guardcli.judging.summary import Summary
from guardcli.report import audit_report
from guardcli.text.escaping import escape_terminal, pluralize

_MAX_NAMES = 10  # files that are not read are named up to this number


@click.command(
    "audit",
    cls=GuardCommand,
    exits={
        0: "the run is finished, within the limits",
        1: "more is unsafe than --max-unsafe allows",
        2: "wrong usage, or an input, a model or a policy that cannot be used",
        3: "more could not be judged than --max-errors allows, or a limit was given and a file in a folder was skipped",
    },
    examples=(
        "guard audit -m smol chats.jsonl -o verdicts.jsonl",
        "guard audit -m smol logs/ -o audit.jsonl --max-unsafe 30% --max-errors 1%",
        "guard audit -m smol chats.jsonl -o part-1.jsonl --shard 1/2",
    ),
)
@click.argument("names", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT",
    help="The file of verdicts.",
)
@click.option(
    "--shard",
    type=ShardOption(),
    metavar="I/N",
    default="1/1",
    help="Judge only part I of N, for job arrays; guard merge joins the parts.",
)
@click.option(
    "--unit-bytes",
    type=click.IntRange(min=1),
    metavar="N",
    default=UNIT_BYTES,
    show_default=True,
    help="Size in bytes of the units that shards consist of.",
)
@click.option(
    "--block-tokens",
    type=click.IntRange(min=1),
    metavar="N",
    help="Commit after about N prompt tokens. Default: by the size of the model.",
)
@cluster_options
@click.option(
    "--max-unsafe",
    type=CountOrFractionOption(),
    metavar="N|P%",
    help="Exit with 1 if more rows are unsafe: a number (25), a fraction (0.001) or a percentage (0.1%).",
)
@click.option(
    "--max-errors",
    type=CountOrFractionOption(),
    metavar="N|P%",
    help="Exit with 3 if more rows could not be judged.  [default: 0]",
)
@click.option(
    "--allow-left-out",
    is_flag=True,
    help="Ignore files in folders that are not read, such as hidden ones, when limits are checked.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
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
    """Judge files and folders of records, and write the verdicts to OUT as JSON Lines.

    If the run is killed, run the same command again: it resumes where it stopped, and OUT gets the same bytes as in a
    run without an interruption. OUT.journal keeps the state.

    In folders, hidden files and links to folders are skipped and named on stderr. To judge them, name them as INPUT.
    """
    if str(path) == "-":
        raise click.UsageError("-o - is not possible: an audit needs a file to resume from")
    cluster = pop_cluster_config(options)
    if cluster is not None and shard != Shard():
        raise click.UsageError("--shard and --ray exclude each other: with --ray, all units are of one run")
    guard_options = GuardOptions(**options)
    for file in files_of(path):
        output.check_output_file(file, (), "-o")
    taxonomy = guard_options.load_taxonomy()  # once, as it may be a pipe
    observer = _TerminalObserver(guard_options, quiet=quiet)
    try:
        job = AuditJob.create(
            names,
            path,
            model=guard_options.model_config(),
            taxonomy=taxonomy,
            config=guard_options.judge_config(),
            engine=guard_options.engine_config(),
            cache=cache_path(),
            read_options=read_options,
            requests=inputs.resolve_sources(requests) if requests else (),
            unit_bytes=unit_bytes,
            block_tokens=block_tokens,
        )
        if cluster is None:
            result = run_job(job, shard=shard, observer=observer, interrupts=Interrupts())
        else:
            result = audit_on_cluster(
                job, cluster, observer=observer, interrupts=Interrupts(), verbose=guard_options.verbose > 0
            )
    except KeyboardInterrupt as error:  # Python's own while the inputs are hashed
        interrupted = error if isinstance(error, Interrupted) else Interrupted(signal.SIGINT)
        kept = _kept(path) if cluster is None else ""  # a cluster's rows are in parts, not yet in the output
        output.echo_err(f"guard: stopped by {interrupted}{kept}; run the same command again to resume")
        return 128 + interrupted.number
    left_out = () if allow_left_out else result.left_out
    if not quiet:
        output.echo_err_text(audit_report.as_text(result.summary, [taxonomy] if taxonomy else []))
        if not observer.was_finished:
            output.report_written(path)
    return _finish(result.summary, max_unsafe, max_errors, left_out)


def _kept(path: Path) -> str:
    """Say how many rows of an output the same command resumes from, such as `, and 512 rows are kept`."""
    try:
        rows = read_state(path).checkpoint.rows
    except GuardError:  # stopped before the journal was begun
        rows = 0
    return f", and {pluralize(rows, 'row')} {'is' if rows == 1 else 'are'} kept" if rows else ", before any row is kept"


class _TerminalObserver(AuditObserver):
    """Shows progress and what happens on stderr; with `quiet` only what is out of the ordinary."""

    def __init__(self, guard_options: GuardOptions, *, quiet: bool) -> None:
        self._guard_options = guard_options
        self._quiet = quiet
        self.was_finished = False  # before this run, which writes nothing
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
            output.echo_err(f"guard: {path} has {pluralize(checkpoint.rows, 'row')}: resuming")

    def on_finished_before(self, path: Path, checkpoint: Checkpoint) -> None:
        self.was_finished = True
        if not self._quiet:
            output.echo_err(f"guard: {path} is finished: {pluralize(checkpoint.rows, 'row')}")

    def on_isolation(self, state: JournalState) -> None:
        died = "with a fault" if state.faults else f"{state.silent_deaths} times"
        output.echo_err(f"guard: the run crashed in the same block {died}; trying its records one by one")

    def on_poison_record(self, location: str, signal: str) -> None:
        output.echo_err(f"guard: {escape_terminal(location)} crashes the process ({signal}) and becomes an error row")

    def on_no_poison_record(self) -> None:
        output.echo_err("guard: no record crashes the process; judging the block again")

    def on_remark(self, remark: Remark) -> None:
        self._warnings.show(remark)

    def on_worker(self, node: str, description: str) -> None:
        if self._guard_options.verbose:
            output.echo_err(f"guard: a worker on {node} has loaded {description}")

    def on_worker_lost(self, node: str, reason: str) -> None:
        if not self._quiet:
            where = f" on {node}" if node else ""
            output.echo_err(f"guard: a worker{where} is gone, and another one takes over: {reason}")


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
) -> int:
    """Return the exit code by the limits, and say which ones are missed."""
    total, counts = summary.total, summary.verdicts
    if not total:
        output.echo_err("guard: nothing to judge: the input holds no records")
        return UNJUDGED
    code = OK
    if max_unsafe is not None and max_unsafe.is_exceeded(counts["unsafe"], total):
        output.echo_err(f"guard: {counts['unsafe']:,} of {total:,} are unsafe: more than --max-unsafe allows")
        code = FINDINGS
    has_limits = max_unsafe is not None or max_errors is not None
    unread = summary.flags[UNREAD_TEXT]
    if (max_errors or CountOrFraction(0)).is_exceeded(counts["error"] + unread, total):
        with_unread = f", and {pluralize(unread, 'row')} of records with text that was not judged" if unread else ""
        output.echo_err(
            f"guard: {counts['error']:,} of {total:,} could not be judged{with_unread}: more than --max-errors allows"
            f"{'' if max_errors else ' (0 by default)'}"
        )
        code = UNJUDGED
    if left_out and has_limits:
        output.echo_err(
            f"guard: the limits do not cover what was not read: {describe_skipped(left_out)}; name it as an input to "
            "have it judged, or pass --allow-left-out"
        )
        code = UNJUDGED
    return code
