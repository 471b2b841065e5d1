"""`guard decide`: apply edited thresholds to stored verdicts, without the model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from guardcli.cli import exit_codes, inputs, output
from guardcli.cli.calibration_option import calibration_option
from guardcli.cli.command import GuardCommand
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.probability import Probability
from guardcli.cli.unjudged_message import unjudged_message
from guardcli.errors import InputError
from guardcli.judging import Calibration, reader
from guardcli.judging.redecision import Redecision
from guardcli.judging.writers import jsonl
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import pluralize


@click.command(
    cls=GuardCommand,
    exits={
        0: "every row is safe",
        1: "something is unsafe (0 with --exit-zero)",
        2: "wrong usage, or rows or a policy that cannot be used",
        3: "a row is an error, or there are no rows",
    },
    examples=(
        "guard decide verdicts.jsonl -t policy.yaml > decided.jsonl",
        "guard decide verdicts.jsonl -t policy.yaml --threshold 30% | guard report -o report.html",
    ),
)
@click.argument("files", nargs=-1, metavar="[VERDICTS]...")
@click.option(
    "-t", "--taxonomy", "edited", envvar="GUARD_TAXONOMY", metavar="NAME|YAML", required=True, help="The edited policy."
)
@click.option(
    "--threshold",
    type=Probability(),
    metavar="P",
    help="Scores from this value on are unsafe, such as 0.3 or 30%. Default: the policy's threshold, else 0.5.",
)
@calibration_option
@extends_root_option
@click.option("--from-taxonomy", metavar="NAME|YAML", help="The old policy, if the edited one renames keys.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if something is unsafe.")
def decide(
    *,
    files: tuple[str, ...],
    edited: str,
    threshold: float | None,
    calibration: Path | None,
    extends_root: Path | None,
    from_taxonomy: str | None,
    exit_zero: bool,
) -> int:
    """Apply an edited policy to the stored VERDICTS, or to rows on stdin, without the model.

    Thresholds, keys and the calibration may have changed; without --calibration, raw scores decide. If what the model
    reads has changed, judge the records again.
    """
    if inputs.is_input_missing(files):
        return exit_codes.USAGE_ERROR
    files = files or ("-",)
    output.check_stdout([*files, *([calibration] if calibration else [])])
    output.show_log(verbose=False)
    taxonomy = Taxonomy.load(edited, extends_root=extends_root)
    before = None if from_taxonomy is None else Taxonomy.load(from_taxonomy, extends_root=extends_root)
    redecision = Redecision.from_taxonomy(
        taxonomy,
        threshold=threshold,
        before=before,
        calibration=None if calibration is None else Calibration.from_file(calibration),
    )
    changes: Counter[tuple[str, str]] = Counter()
    unread, no_longer_calibrated = 0, 0
    for file in files:
        for number, row in enumerate(reader.read_verdicts(file), start=1):
            try:
                decided = redecision.apply(row)
            except InputError as error:
                raise InputError(f"{file}: row {number}: {error}", code=error.code) from None
            changes[row.verdict, decided.verdict] += 1
            unread += bool(row.unread)
            no_longer_calibrated += row.temperature is not None and decided.temperature is None
            output.write(jsonl.line(decided) + "\n")
    _report_changes(changes)
    if no_longer_calibrated:
        output.echo_err(
            f"guard: {pluralize(no_longer_calibrated, 'verdict')} had been made of calibrated scores, and now of raw "
            "ones: add --calibration to calibrate them again"
        )
    counts = _verdict_counts(changes)
    if counts["error"]:
        output.echo_err(f"guard: {unjudged_message(counts)}")
    return exit_codes.for_verdicts(counts, exit_zero=exit_zero, unread=unread)


def _verdict_counts(changes: Counter[tuple[str, str]]) -> Counter[str]:
    """Count the new verdicts."""
    counts: Counter[str] = Counter()
    for (_, now), count in changes.items():
        counts[now] += count
    return counts


def _report_changes(changes: Counter[tuple[str, str]]) -> None:
    moved = {pair: count for pair, count in changes.items() if pair[0] != pair[1]}
    details = "".join(f", {count:,} {was} → {now}" for (was, now), count in sorted(moved.items()))
    output.echo_err(f"guard: {sum(moved.values()):,} of {pluralize(changes.total(), 'verdict')} changed{details}")
