"""`guard filter`: pass records through, withholding the unsafe."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from guardcli.cli import inputs, output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK, UNJUDGED, USAGE_ERROR
from guardcli.cli.guard_options import GuardOptions, model_options, taxonomy_option
from guardcli.cli.input_warnings import InputWarnings
from guardcli.conversation import Record
from guardcli.errors import as_options
from guardcli.formats import ReadOptions
from guardcli.formats.decoding import parse_nested_json
from guardcli.formats.line_reader import strip_marks
from guardcli.judging.filtering import FilteredRecord, filter_records
from guardcli.judging.writers import jsonl
from guardcli.prompts.turns import TARGETS
from guardcli.text.escaping import escape_field, escape_terminal, pluralize

ANNOTATION = "guard"  # the field of `--annotate`

_PASSED = "passed"
_WITHHELD = ("unsafe", "safe", "not judged", "not annotated")  # why, in the order of the tally


@click.command(
    "filter",
    cls=GuardCommand,
    exits={
        0: "every record was judged",
        2: "wrong usage, or an input, a model or a policy that cannot be used",
        3: "something could not be judged, and was withheld",
    },
    examples=(
        "guard filter -m smol chats.jsonl > safe.jsonl",
        "guard filter -m smol --invert --save-verdicts why.jsonl chats.jsonl > unsafe.jsonl",
        "guard filter -m smol --annotate chats.jsonl",
    ),
)
@inputs.files_argument
@click.option("--invert", is_flag=True, help="Pass unsafe records and withhold safe ones.")
@click.option("--annotate", is_flag=True, help="Add the verdict to each record as its field `guard`.")
@click.option(
    "--save-verdicts",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the verdict rows to FILE as JSON Lines.",
)
@click.option(
    "--target",
    type=click.Choice([target for target in TARGETS if target != "each"]),
    default="any",
    show_default=True,
    help="The messages to judge: all of them (any), the last one, or the last one of a role.",
)
@inputs.as_user_option
@inputs.read_options
@model_options
@taxonomy_option
def filter_(
    *,
    files: tuple[str, ...],
    invert: bool,
    annotate: bool,
    save_verdicts: Path | None,
    read_options: ReadOptions,
    **options: Any,
) -> int:
    """Pass the records in FILES, or on stdin, through unchanged, and withhold those with an unsafe message.

    Records that could not be judged are withheld too, and named on stderr.
    """
    if inputs.is_input_missing(files):
        return USAGE_ERROR
    sources = inputs.resolve_sources(files)
    output.check_stdout(sources)
    code = OK
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        guard_options = GuardOptions(**options)
        taxonomy = guard_options.load_taxonomy()  # once, as it may be a pipe
        if save_verdicts is not None:
            output.check_output_file(save_verdicts, [*sources, *guard_options.files(taxonomy)], "--save-verdicts")
        guard = stack.enter_context(guard_options.open(taxonomy))
        verdict_file = (
            None if save_verdicts is None else stack.enter_context(output.VerdictFile(save_verdicts, inputs=sources))
        )
        warnings = InputWarnings(options["as_user"], text_fields=read_options.text_fields)
        records = warnings.watch(read_options.read(sources))
        writer = _RecordWriter()
        for filtered in filter_records(guard, records, prefetch="live" if inputs.is_live(sources) else "full"):
            if verdict_file is not None:
                verdict_file.write(map(jsonl.line, filtered.verdicts))
            for verdict in filtered.unjudged:
                code = UNJUDGED
                unread = f"text that was not judged under {', '.join(verdict.unread or ())}"
                reason = unread if verdict.error is None else as_options(verdict.error)
                error_code = "record/unread-text" if verdict.error is None else verdict.error_code
                location = escape_field(verdict.key.location)
                output.echo_err(f"guard: withheld, not judged: {location}: {escape_terminal(reason)} [{error_code}]")
            passes = filtered.passes(invert=invert)
            refused = _why_not_annotated(filtered) if annotate and passes else None
            if refused:
                code = UNJUDGED
                output.echo_err(
                    f"guard: withheld, not annotated: {escape_field(filtered.record.key.location)}: {refused}"
                )
            writer.write(filtered, passes=passes and not refused, annotate=annotate)
            counts[_outcome(filtered, passes=passes, refused=bool(refused))] += 1
    _report(counts)
    return USAGE_ERROR if warnings.report_missing_fields() else code


def _outcome(filtered: FilteredRecord, *, passes: bool, refused: bool) -> str:
    """Return what became of a record, as the tally calls it."""
    if refused:
        return "not annotated"
    if passes:
        return _PASSED
    if filtered.unjudged:
        return "not judged"
    return "unsafe" if filtered.unsafe else "safe"


def _report(counts: Counter[str]) -> None:
    """Write to stderr how many records passed and how many were withheld, if any were or at a terminal."""
    withheld = {outcome: count for outcome, count in counts.items() if outcome != _PASSED}
    if not withheld and not output.stderr_is_terminal():
        return
    reasons = ", ".join(f"{withheld[outcome]:,} {outcome}" for outcome in _WITHHELD if outcome in withheld)
    output.echo_err(
        f"guard: {counts[_PASSED]:,} of {pluralize(counts.total(), 'record')} passed, "
        f"{sum(withheld.values()):,} withheld{f' ({reasons})' if reasons else ''}"
    )


@dataclass(slots=True)
class _RecordWriter:
    """Writes records to stdout, with a newline where an input ends without one."""

    mid_line: bool = False  # whether the last byte was not a newline

    def write(self, filtered: FilteredRecord, *, passes: bool, annotate: bool) -> None:
        """Write a record's bytes if it passes, and the bytes before it (a CSV header, blank lines) in any case."""
        record = filtered.record
        data = b"" if annotate else record.before
        if passes:
            assert isinstance(record, Record)  # a Malformed has only errors, and does not pass
            data += _annotated(record, filtered) if annotate else record.raw
        if not data:
            return
        if self.mid_line:  # the file before ended without a newline
            data = b"\n" + data
        self.mid_line = not data.endswith(b"\n")
        output.write_bytes(data)


def _why_not_annotated(filtered: FilteredRecord) -> str | None:
    """Return why a record cannot be annotated: it is not a JSON object, or has such a field already."""
    record = filtered.record
    if not isinstance(record, Record) or not isinstance(parse_nested_json(strip_marks(record.raw).decode()), dict):
        return "not a JSON object; a field cannot be added"
    if ANNOTATION in record.fields:
        return f"it already has a field `{ANNOTATION}`"
    return None


def _annotated(record: Record, filtered: FilteredRecord) -> bytes:
    """Return the record's bytes with the verdict as the last field of its object."""
    rows = [verdict.to_dict() for verdict in filtered.verdicts]
    verdict = jsonl.dumps({ANNOTATION: rows[0] if len(rows) == 1 else rows})
    body = record.raw.rstrip()
    comma = "," if record.fields else ""
    return body.removesuffix(b"}").rstrip() + f"{comma}{verdict.removeprefix('{')}".encode() + record.raw[len(body) :]
