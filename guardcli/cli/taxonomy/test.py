"""`guard taxonomy test`: hold a taxonomy against its tests, and against labelled data; again at every save."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from guardcli.cli import inputs, output
from guardcli.cli.dataset_options import dataset_options
from guardcli.cli.exit_codes import FINDINGS, OK, UNJUDGED
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.guard_options import GuardOptions, model_options
from guardcli.cli.probability import Probability
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


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", metavar="TAXONOMY")
@click.argument("files", nargs=-1, metavar="[LABELLED]...")
@click.option("--suggest", is_flag=True, help="Tell what would make a failed test pass, and what that costs.")
@click.option("--watch", is_flag=True, help="Keep the model loaded; run again at every save, and tell what changed.")
@click.option(
    "--max-flag-rate",
    type=Probability(),
    metavar="P",
    help="Fail if a larger share of the labelled safe ones is flagged.",
)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the results as JUnit's XML, too.")
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
    max_flag_rate: float | None,
    junit: Path | None,
    extends_root: Path | None,
    field_spec: FieldSpec,
    input_format: str | None,
    **options: Any,
) -> int:
    """Run a taxonomy's `tests`, and LABELLED records (as `guard eval` reads them), through the model.

    \b
    guard taxonomy test policy.yaml -m llama-guard-3-8b.gguf --suggest
    guard taxonomy test policy.yaml benign.jsonl --max-flag-rate 0.02

    Labelled records fail one by one, or, with --max-flag-rate, only as a whole.

    Exits with 0 if all is as expected, 1 if not, 2 on wrong usage or where there is nothing to test, 3 if something
    could not be judged.
    """
    load = partial(Taxonomy.load, name, extends_root=extends_root)
    taxonomy = load()
    guard_options = GuardOptions(**options, target="last", scores=True)
    output.check_output_files({"--junit": junit}, [*files, *taxonomy.files, *guard_options.files()])
    data = _labelled(files, field_spec, input_format, gated=max_flag_rate is not None)
    with guard_options.load() as model:
        session = PolicyTestSession(lambda edited: guard_options.open(edited, model=model))
        try:
            run = session.run(taxonomy, _cases(taxonomy, data))
            _tell(run, suggest=suggest)
            if junit is not None:
                output.write_file(junit, policy_test_report.as_junit(run, taxonomy.name))
            if watch:
                _watch(load, taxonomy, run, lambda edited: session.run(edited, _cases(edited, data)), suggest=suggest)
        finally:
            session.close()
    return _code(run, max_flag_rate)


def _cases(taxonomy: Taxonomy, data: Sequence[PolicyTestCase]) -> list[PolicyTestCase]:
    cases = [*cases_from_taxonomy(taxonomy), *data]
    if not cases:
        raise InputError(
            f"{taxonomy.location.path} has no `tests`, and no labelled data is named: there is nothing to test",
            code="eval/nothing-to-evaluate",
        )
    return cases


def _labelled(
    files: tuple[str, ...], field_spec: FieldSpec, input_format: str | None, *, gated: bool
) -> tuple[PolicyTestCase, ...]:
    """The labelled cases; how many records are none is told.

    Raises:
        InputError: there are none, or with `gated` none that are safe: a gate on nothing would always be met.
    """
    if not files and not gated:
        return ()
    data = LabeledCases()
    if files:
        data = cases_from_records(ReadOptions(format=input_format).read(inputs.resolve_sources(files)), field_spec)
    left_out = ", ".join(f"{pluralize(number, 'record')} {reason}" for reason, number in data.left_out.items())
    place = ", ".join(files) or "no labelled data"
    if not data.cases and files:
        raise InputError(
            f"{place}: nothing to test ({left_out or 'no records'}); --label-field says where the label is",
            code="eval/nothing-to-evaluate",
        )
    if gated and all(case.expect != "safe" for case in data.cases):
        raise InputError(
            f"{place}: --max-flag-rate needs records that are labelled safe, and there are none", code="eval/one-class"
        )
    if left_out:
        output.echo_err(f"guard: left out: {left_out}")
    return data.cases


def _tell(run: PolicyTestRun, *, suggest: bool) -> None:
    output.write(policy_test_report.as_text(run, suggest=suggest, color=output.use_color(), width=output.table_width()))


def _code(run: PolicyTestRun, max_flag_rate: float | None) -> int:
    if any(result.row.verdict == "error" for result in run.results):
        return UNJUDGED
    rate = run.flag_rate()
    if max_flag_rate is not None and rate is not None and rate > max_flag_rate:
        output.echo_err(f"guard: {rate:.2%} of the labelled safe ones are flagged, and {max_flag_rate:.2%} are allowed")
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
            _write(f"{_clock()} not valid, the last run stands:", *output.error_lines(error))
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
