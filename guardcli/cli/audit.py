"""`guard audit`: judge large inputs into a file, resumable after a crash at any moment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

import click

from guardcli.audit import (
    UNIT_BYTES,
    AuditPlan,
    AuditPreparation,
    AuditProgress,
    BlockLimits,
    InputFiles,
    Interrupted,
    Interrupts,
    Item,
    Shard,
    SkippedFile,
    Source,
    Unit,
    block_tokens_of,
    choose_block_tokens,
    describe_differences,
    describe_skipped,
    expand_paths,
    isolate_poison_records,
    make_manifest,
    run_audit,
    split_into_units,
)
from guardcli.audit.journal import Journal, ManifestMismatchError, files_of, peek_manifest
from guardcli.cli import inputs, output
from guardcli.cli.exit_codes import FINDINGS, OK, UNJUDGED
from guardcli.cli.guard_options import GuardOptions, model_options, record_options, taxonomy_option
from guardcli.cli.input_warnings import InputWarnings
from guardcli.cli.limits import CountOrFraction, CountOrFractionOption, ShardOption
from guardcli.cli.progress_line import ProgressLine
from guardcli.errors import OutputError
from guardcli.formats import UNREAD_TEXT
from guardcli.judging import Guard, reader
from guardcli.judging.summary import summarize
from guardcli.judging.writers import jsonl
from guardcli.report import audit_report
from guardcli.text.escaping import escape_terminal, pluralize

_MAX_NAMES = 10  # files that are not read are named up to this number


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
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
@inputs.input_options
@inputs.requests_option
@model_options
@taxonomy_option
@record_options
def audit(
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
    input_options: inputs.InputOptions,
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
    files = _input_files(names, path, [*requests, *guard_options.files()])
    conversations = inputs.load_requests(requests)
    warnings = InputWarnings(guard_options.as_user)

    def read(stream: BinaryIO, unit: Unit, start: int) -> Iterable[Item]:
        return warnings.watch(
            input_options.read_stream(
                stream,
                unit.source.path,
                start=start,
                first_line=unit.first_line,
                record_lines=unit.record_lines,
                requests=conversations,
            )
        )

    preparation = AuditPreparation(_total_size(files.paths))
    with ProgressLine(preparation.line, quiet=quiet):
        sources = [Source.from_path(name, unit_bytes, on_read=preparation.read) for name in files.paths]
        plan = AuditPlan(split_into_units(sources, input_options.find_record_lines), read, shard)
        preparation.loading = True
        opened = guard_options.open()
    try:
        with opened as guard, Interrupts() as interrupts:
            plan = replace(plan, limits=_limits(guard, block_tokens or block_tokens_of(peek_manifest(path))))
            manifest = make_manifest(
                guard,
                options=_manifest_options(guard_options),
                reading=asdict(input_options),
                requests=[Source.from_path(file) for file in requests],
                inputs=sources,
                units={"bytes": unit_bytes, "number": len(plan.units)},
                blocks=plan.limits,
                shard=(shard.number, shard.count),
            )
            with Journal(path, manifest) as journal:
                _run(journal, plan, guard, guard_options, interrupts, quiet=quiet)
    except ManifestMismatchError as error:
        raise OutputError(*_manifest_mismatch(error)) from error
    except Interrupted as interrupted:
        output.echo_err(f"guard: ended by {interrupted}: the same command goes on")
        return 128 + interrupted.number
    left_out = [] if allow_left_out else files.left_out
    return _finish(path, max_unsafe, max_errors, left_out, quiet=quiet)


def _total_size(paths: Sequence[str]) -> int:
    """Return the size of all files that can be read, in bytes."""
    total = 0
    for path in paths:
        with suppress(OSError):
            total += os.stat(path).st_size
    return total


def _manifest_mismatch(error: ManifestMismatchError) -> list[str]:
    differences = describe_differences(error.before, error.after)
    if len(differences) == 1:
        return [f"{error.path} belongs to another run: {differences[0]}; or choose another name"]
    return [f"{error.path} belongs to another run; undo what differs, or choose another name:", *differences]


def _run(
    journal: Journal, plan: AuditPlan, guard: Guard, guard_options: GuardOptions, interrupts: Interrupts, *, quiet: bool
) -> None:
    """Run the audit to its end. Isolate poison records first if the last attempts died in one block.

    Isolation loads the model in other processes, so the guard is closed before it and opened again after it.
    """
    if journal.state.finished:
        if not quiet:
            output.echo_err(f"guard: {journal.path} is finished: {pluralize(journal.checkpoint.rows, 'row')}")
        return
    if journal.checkpoint.rows and not quiet:
        output.echo_err(f"guard: {journal.path} has {pluralize(journal.checkpoint.rows, 'row')}: going on from there")
    if not journal.state.needs_isolation:
        _judge(journal, plan, guard, interrupts, quiet=quiet)
        return
    guard.close()
    _isolate(journal, plan, guard_options, interrupts, quiet=quiet)
    with interrupts.deferred():  # not while llama.cpp loads: its callbacks would drop the exception
        reopened = guard_options.open()
    with reopened:
        _judge(journal, plan, reopened, interrupts, quiet=quiet)


def _isolate(
    journal: Journal, plan: AuditPlan, guard_options: GuardOptions, interrupts: Interrupts, *, quiet: bool
) -> None:
    """Find the records of the current block that crash the process, and write them as error rows."""
    died = "by a fault" if journal.state.faults else f"{journal.state.silent_deaths} times"
    output.echo_err(f"guard: the run ended in one block {died}: its records are tried one by one")
    progress = AuditProgress()
    with ProgressLine(progress.trial_line, quiet=quiet):
        poison_records = isolate_poison_records(
            journal, plan, guard_options.open, progress=progress, interrupts=interrupts
        )
    for record in poison_records:
        part = f":{record.part}" if record.part else ""
        location = f"{plan.units[record.unit].source.path}:{record.line}{part}"
        output.echo_err(
            f"guard: {escape_terminal(location)} ends the process ({record.signal}): it becomes an error row"
        )
    if not poison_records:
        output.echo_err("guard: none of them ends the process: the block is begun again")


def _judge(journal: Journal, plan: AuditPlan, guard: Guard, interrupts: Interrupts, *, quiet: bool) -> None:
    journal.watch_faults()
    progress = AuditProgress()
    with ProgressLine(progress.line, quiet=quiet):
        run_audit(guard, journal, plan, jsonl.line, progress=progress, interrupts=interrupts)


def _input_files(names: Sequence[str], path: Path, others: Sequence[str | Path]) -> InputFiles:
    """Return the files to judge, and report those that are not read. The run's own output is not an input.

    Args:
        others: Other files that the run reads, such as the model.

    Raises:
        OutputError: The output would overwrite a file that the run reads.
    """
    output.check_output_file(path, others, "-o")
    output_files = files_of(path)
    # A file without a journal is not an audit's output, unless it is empty: then the run was killed at its beginning.
    is_own = path.exists() and (output_files[1].exists() or not path.stat().st_size)
    files = expand_paths(names, outputs=output_files if is_own else ())
    for file in output_files:
        output.check_output_file(file, [*files.paths, *others], "-o")
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
    return files


def _list_files(heading: str, counts: str, lines: Sequence[str]) -> None:
    output.echo_err(f"guard: {heading}: {counts}")
    for line in lines[:_MAX_NAMES]:
        output.echo_err(f"  {line}")
    if len(lines) > _MAX_NAMES:
        output.echo_err(f"  and {len(lines) - _MAX_NAMES:,} more")


def _limits(guard: Guard, tokens: int | None) -> BlockLimits:
    """Return the limits of a block: `tokens` (of the option or an earlier attempt), or by the size of the model."""
    prompts = len(guard.taxonomy.categories) if guard.per_category else 1
    llama = guard.model.llama
    default = choose_block_tokens(llama.size, offloaded=llama.offloaded)
    return BlockLimits(tokens=tokens or default, prompts=prompts)


def _manifest_options(guard_options: GuardOptions) -> dict[str, Any]:
    """Return the options that change scores or rows, beside those that the guard and the input options describe."""
    return {
        "reproducible": guard_options.reproducible,
        "gpu": guard_options.gpu,
        "gpu_layers": guard_options.gpu_layers,
        "target": guard_options.target,
        "as_user": sorted(guard_options.as_user),
        "scores": guard_options.scores,
        "keep": list(guard_options.keep),
        "show_text": guard_options.show_text,
        "force": guard_options.force,
        "max_record_tokens": guard_options.max_record_tokens,
    }


def _finish(
    path: Path,
    max_unsafe: CountOrFraction | None,
    max_errors: CountOrFraction | None,
    left_out: Sequence[SkippedFile],
    *,
    quiet: bool,
) -> int:
    """Summarize the verdicts of all attempts, and return the exit code by the gates."""
    summary = summarize(reader.read_verdicts(str(path)))
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
