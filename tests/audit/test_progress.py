"""AuditProgress: totals after a resume, rates of this attempt, and the important part within 80 columns."""

from __future__ import annotations

from threading import Event

import pytest

from guardcli.audit import AuditPreparation, AuditProgress
from guardcli.audit.journal import Checkpoint
from guardcli.cli.progress_line import ProgressLine
from guardcli.conversation import Key
from guardcli.judging import Provenance, Verdict

BY = Provenance(
    model="model", template="template", scoring="verdict", taxonomy="taxonomy", prompt_digest="1", decision_digest="2"
)


def verdict(kind: str) -> Verdict:
    return Verdict(key=Key("a", 1), provenance=BY, verdict=kind, threshold=0.5)  # type: ignore[arg-type]


def resumed() -> AuditProgress:
    progress = AuditProgress()
    progress.resume(Checkpoint(rows=1000, records=1000, unsafe=10, errors=2, position=40_000), 100_000)
    return progress


def test_before_the_first_row() -> None:
    progress = resumed()
    line = progress.line(progress.began + 1)
    assert line == "40%, 1,000 rows, 0.0/s, 10 unsafe, 2 errors, 0 tokens/s"


def test_totals_and_rates_inside_a_block() -> None:
    progress = resumed()
    progress.block_records, progress.block_end, progress.tokens = 100, 60_000, 5_000
    for judged, kind in enumerate(("safe", "unsafe", "error") * 16 + ("safe", "safe"), start=1):
        progress.count(verdict(kind))
        progress.block_judged = judged
    line = progress.line(progress.began + 10)
    assert line == "50%, 0:00:50 left, 1,050 rows, 5.0/s, 26 unsafe, 18 errors, 500 tokens/s"
    progress.commit()
    assert progress.line(progress.began + 10).startswith("60%, 0:00:20 left, ")


def test_records_that_are_tried() -> None:
    assert AuditProgress(block_records=1200, block_judged=7).trial_line() == "7 of 1,200 records tried"


def test_an_empty_input_is_read() -> None:
    assert AuditProgress().line(AuditProgress().began + 1).startswith("100%, 0 rows")


@pytest.mark.parametrize("rows", [1, 10**6, 10**9])
def test_it_fits_80_columns_with_any_numbers(rows: int) -> None:
    progress = AuditProgress(total=10**15, rows=rows, unsafe=rows, errors=rows, position=3, tokens=10**12)
    line = progress.line(progress.began + 1e-3)
    assert len(line) < 80
    assert line.startswith("0%, ")
    assert " left, " in line


def test_a_thread_shows_it_until_the_work_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[int] = []
    over = Event()

    def state() -> str:
        asked.append(len(asked))
        if len(asked) == 3:
            over.set()
        return f"state {asked[-1]}"

    with ProgressLine(state, interval=0.01):
        assert over.wait(10)
    assert capsys.readouterr().err.splitlines()[:3] == ["state 0", "state 1", "state 2"]


def test_a_quiet_run_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine(lambda: "state", quiet=True, interval=0.001):
        pass
    assert capsys.readouterr().err == ""


def test_what_comes_before_the_first_record() -> None:
    preparation = AuditPreparation(total=2_000_000)
    lines = [preparation.line()]
    preparation.read(500_000)
    lines.append(preparation.line())
    preparation.loading = True
    assert [*lines, preparation.line()] == [
        "hashing the inputs: 0% of 2.0 MB",
        "hashing the inputs: 25% of 2.0 MB",
        "loading the model",
    ]
