"""`guard taxonomy test`: run the tests of a taxonomy and labeled data, once or at every save."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from guardcli.cli import inputs, output
from guardcli.cli.command import GuardCommand
from guardcli.cli.dataset_options import dataset_options
from guardcli.cli.exit_codes import FINDINGS, OK, UNJUDGED
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.guard_options import GuardOptions, model_options
from guardcli.cli.limits import CountOrFraction, CountOrFractionOption
from guardcli.errors import GuardError, InputError, TaxonomyError
from guardcli.evaluation.datasets import FieldSpec
from guardcli.evaluation.policy_tests import (
    LabeledCases,
    PolicyTestCase,
    PolicyTestRun,
    PolicyTestSession,
    cases_from_records,
    cases_from_taxonomy,
)
from guardcli.formats import ReadOptions
from guardcli.report import policy_test_report
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_line, pluralize

_POLL = 0.2  # seconds between looks at the files


@click.command(
    cls=GuardCommand,
    exits={
        0: "every test passed",
        1: "a test failed, or more is flagged than --max-flag-rate allows",
        2: "wrong usage, or nothing to test, or an input, a model or a policy that cannot be used",
        3: "something could not be judged",
    },
    examples=(
        "guard taxonomy test -m smol policy.yaml --suggest",
        "guard taxonomy test -m smol policy.yaml labeled.jsonl --max-flag-rate 50% --junit results.xml",
    ),
)
@click.argument("name", metavar="TAXONOMY")
@click.argument("files", nargs=-1, metavar="[LABELED]...")
@click.option(
    "--suggest",
    is_flag=True,
    help="Suggest thresholds that would make failed tests pass, and say what else they change.",
)
@click.option("--watch", is_flag=True, help="Run the tests again whenever the file is saved, and show what changed.")
@click.option(
    "--max-flag-rate",
    type=CountOrFractionOption(),
    metavar="N|P%",
    help="Fail if more of the records labeled safe are flagged: a number (5), a fraction (0.02) or a percentage (2%). "
    "Single records then do not fail.",
)
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the results to FILE as JUnit XML, too."
)
@extends_root_option
@dataset_options
@inputs.input_format_option
@model_options
def test(
    *,
    name: str,
    files: tuple[str, ...],
    suggest: bool,
    watch: bool,
    max_flag_rate: CountOrFraction | None,
    junit: Path | None,
    extends_root: Path | None,
    field_spec: FieldSpec,
    input_format: str | None,
    **options: Any,
) -> int:
    """Judge the `tests` of TAXONOMY, and LABELED records, and report verdicts that are not as expected."""
    load = partial(Taxonomy.load, name, extends_root=extends_root)
    taxonomy = load()
    guard_options = GuardOptions(**options, target="last", scores=True)
    output.check_output_files({"--junit": junit}, [*files, *taxonomy.files, *guard_options.files()])
    data = _labeled(files, field_spec, input_format, gated=max_flag_rate is not None)
    with guard_options.load() as model:
        session = PolicyTestSession(lambda edited: guard_options.open(edited, model=model))
        try:
            run = session.run(taxonomy, _cases(taxonomy, data))
            _tell(run, suggest=suggest)
            if junit is not None:
                output.write_result(junit, policy_test_report.as_junit(run, taxonomy.name))
            if watch:
                _watch(load, taxonomy, run, lambda edited: session.run(edited, _cases(edited, data)), suggest=suggest)
        finally:
            session.close()
    return _code(run, max_flag_rate)


def _cases(taxonomy: Taxonomy, data: Sequence[PolicyTestCase]) -> list[PolicyTestCase]:
    cases = [*cases_from_taxonomy(taxonomy), *data]
    if not cases:
        raise InputError(
            f"{taxonomy.location.path} has no `tests`, and no labeled data is named: there is nothing to test",
            code="eval/nothing-to-evaluate",
        )
    return cases


def _labeled(
    files: tuple[str, ...], field_spec: FieldSpec, input_format: str | None, *, gated: bool
) -> tuple[PolicyTestCase, ...]:
    """Return the labeled cases, and report how many records are left out.

    Raises:
        InputError: there are none, or with `gated` none that are safe: a gate on nothing would always be met.
    """
    if not files and not gated:
        return ()
    data = LabeledCases()
    if files:
        data = cases_from_records(ReadOptions(format=input_format).read(inputs.resolve_sources(files)), field_spec)
    left_out = ", ".join(f"{pluralize(number, 'record')} {reason}" for reason, number in data.left_out.items())
    place = ", ".join(files) or "no labeled data"
    if not data.cases and files:
        raise InputError(
            f"{place}: nothing to test ({left_out or 'no records'}); --label-field says where the label is",
            code="eval/nothing-to-evaluate",
        )
    if gated and all(case.expect != "safe" for case in data.cases):
        raise InputError(
            f"{place}: --max-flag-rate needs records that are labeled safe, but there are none", code="eval/one-class"
        )
    if left_out:
        output.echo_err(f"guard: left out: {left_out}")
    return data.cases


def _tell(run: PolicyTestRun, *, suggest: bool) -> None:
    output.write(policy_test_report.as_text(run, suggest=suggest, color=output.use_color(), width=output.table_width()))


def _code(run: PolicyTestRun, max_flag_rate: CountOrFraction | None) -> int:
    if any(result.row.verdict == "error" for result in run.results):
        return UNJUDGED
    flagged, total = run.count_flagged()
    if max_flag_rate is not None and max_flag_rate.is_exceeded(flagged, total):
        output.echo_err(
            f"guard: {flagged:,} of {pluralize(total, 'record')} labeled safe are flagged: more than --max-flag-rate "
            "allows"
        )
        return FINDINGS
    return FINDINGS if run.failed(labeled=max_flag_rate is None) else OK


def _watch(
    load: Callable[[], Taxonomy],
    taxonomy: Taxonomy,
    run: PolicyTestRun,
    again: Callable[[Taxonomy], PolicyTestRun],
    *,
    suggest: bool,
) -> None:
    """Run again whenever a file of the taxonomy changes, until Ctrl-C."""
    files = taxonomy.files
    seen = _stamps(files)
    output.write(f"watching {escape_line(', '.join(files))} (Ctrl-C ends)\n")
    while True:
        time.sleep(_POLL)
        if (now := _stamps(files)) == seen:
            continue
        seen, start = now, time.monotonic()
        try:
            taxonomy = load()
            before, run = run, again(taxonomy)
        except TaxonomyError as error:
            _write(
                f"{_clock()} not valid; the results above are of the last valid version:", *output.error_lines(error)
            )
            continue
        except GuardError as error:
            first, *more = output.error_lines(error)
            _write(f"{_clock()} {first}", *more)
            continue
        if taxonomy.files != files:
            files, seen = taxonomy.files, _stamps(taxonomy.files)
        changed = policy_test_report.format_changes(before, run, color=output.use_color())
        what = "changed:" if changed else "nothing changed"
        output.write(f"\n{_clock()} {time.monotonic() - start:.2f} s, {what}\n{changed}\n")
        _tell(run, suggest=suggest)


def _write(*lines: str) -> None:
    output.write("\n" + "".join(f"{escape_line(one)}\n" for one in lines))


def _stamps(files: Sequence[str]) -> list[tuple[int, int] | None]:
    """What changes when a file is saved; None while an editor has it out of its place."""
    stamps: list[tuple[int, int] | None] = []
    for file in files:
        try:
            stat = os.stat(file)
            stamps.append((stat.st_mtime_ns, stat.st_ino))
        except OSError:
            stamps.append(None)
    return stamps


def _clock() -> str:
    return time.strftime("%H:%M:%S")
