"""Audit many rows without a model: the memory of the process, and how long a resume takes.

    python -m benchmarks.scale --records 1000000

The engine evaluates nothing (benchmarks.host). One process audits nine tenths of the records and dies; another one
resumes the audit. Memory is the resident set in MB, at each tenth of the records.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from benchmarks.host import null_engine
from guardcli import Guard, JudgeConfig
from guardcli.audit import AuditPlan, Source, run_audit, split_into_units
from guardcli.audit.journal import Journal
from guardcli.formats import ReadOptions
from guardcli.judging import Verdict
from guardcli.judging.writers import jsonl
from guardcli.models import Model


def audit(source: str, output: Path, records: int, die_at: int) -> dict[str, object]:
    """Audit a file, from where the output ends; die with row number `die_at`."""
    began = time.monotonic()
    memory: dict[int, float] = {}
    first = 0.0
    plan = AuditPlan(split_into_units([Source.from_path(source)], ReadOptions().find_record_lines))
    with Model.load("smol") as model, Journal(output, {}) as journal:
        rows = journal.checkpoint.rows

        def line(verdict: Verdict) -> str:
            nonlocal rows, first
            first = first or time.monotonic() - began
            rows += 1
            if rows % (records // 10) == 0:
                memory[rows] = _resident()
            if rows == die_at:
                click.echo(json.dumps({"resident_mb": memory, "first_row_after_s": round(first, 2)}))
                sys.stdout.flush()
                os._exit(0)
            return jsonl.line(verdict)

        with Guard(
            model, "llama-guard-3", config=JudgeConfig(allow_unverified_model=True), engine=null_engine()
        ) as guard:
            run_audit(guard, journal, plan, line)
    return {"resident_mb": memory, "first_row_after_s": round(first, 2)}


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


@click.command(help=__doc__)
@click.option("--records", default=1_000_000, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("scale.json"), show_default=True)
@click.option("--part", nargs=3, type=str, hidden=True)
def main(records: int, out: Path, part: tuple[str, str, str] | None) -> None:
    if part is not None:
        of_part, to, die_at = part
        click.echo(json.dumps(audit(of_part, Path(to), records, int(die_at))))
        return
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "input.jsonl"), Path(folder, "out.jsonl")
        with source.open("w") as file:
            file.writelines(
                f'{{"id":"{n}","prompt":"how do i bake bread number {n} in an old oven"}}\n' for n in range(records)
            )
        found: dict[str, Any] = {"records": records}
        for name, stop_at in (("to nine tenths", records * 9 // 10), ("resumed", 0)):
            words = [sys.executable, "-m", "benchmarks.scale", "--records", str(records)]
            done = subprocess.run(
                [*words, "--part", str(source), str(output), str(stop_at)], stdout=subprocess.PIPE, check=True
            )
            found[name] = json.loads(done.stdout)
        with output.open("rb") as file:
            found["rows"] = sum(1 for _ in file)
    out.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(out.read_text(), nl=False)
    sys.exit(0 if found["rows"] == records else 1)


if __name__ == "__main__":
    main()
