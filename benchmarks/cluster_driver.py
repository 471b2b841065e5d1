"""What the driver of a cluster costs: CPU a row and a second, and memory while it plans and joins many units.

    python -m benchmarks.cluster_driver --records 1000000 --unit-records 10

Workers evaluate nothing (benchmarks.host), on a Ray that is started on this machine. The CPU is that of the driver's
process with all its threads, from the first row that is joined to the last unit that is handed out. What it costs to
wait is measured with workers that sleep, and what it costs to join is measured again on the parts, without Ray: the
rest is the driver's own. So is what it costs to sum up the output, which is done at a resume. Memory is the resident
set in MB, at each tenth of the units.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Event, Thread

import click

from benchmarks.null_opener import NullOpener
from guardcli import EngineConfig, JudgeConfig, ModelConfig, Taxonomy
from guardcli.audit import AuditJob, AuditObserver, Interrupted, Interrupts
from guardcli.audit.journal import Journal, peek_manifest
from guardcli.audit.progress import AuditPreparation
from guardcli.distributed import ClusterConfig, PoolSize
from guardcli.distributed.driver import Driver
from guardcli.distributed.joined_output import JoinedOutput
from guardcli.distributed.parts import PartsFolder
from guardcli.distributed.ray_library import connected
from guardcli.distributed.ray_pool import RayPool
from guardcli.formats import ReadOptions

_SAMPLE_SECONDS = 0.5
_WAIT_SECONDS = 30.0  # that the driver waits for workers that sleep


@dataclass(slots=True)
class Sample:
    """The driver at a moment."""

    seconds: float
    cpu: float
    resident_mb: float
    rows: int
    units: int


@dataclass(slots=True)
class Figures:
    """What was measured; CPU is that of the driver."""

    records: int
    units: int
    workers: int
    plan_cpu_seconds: float = 0.0
    rows_per_second: float = 0.0
    cpu_us_per_row: float = 0.0
    cpu_ms_per_second_of_waiting: float = 0.0
    join_us_per_row: float = 0.0
    own_us_per_row: float = 0.0
    own_us_per_unit: float = 0.0
    sum_up_us_per_unit: float = 0.0
    resident_mb: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """An audit on a cluster of this machine, driven by this process."""

    job: AuditJob
    workers: int
    samples: list[Sample] = field(default_factory=list)
    plan_cpu_seconds: float = 0.0
    num_units: int = 0

    def drive(self, *, seconds: float | None = None) -> None:
        """Run the audit to its end, or stop it after a time."""
        began = time.process_time()
        sources = self.job.read_sources(self.job.find_files(), AuditPreparation())
        units = self.job.split(sources)
        self.plan_cpu_seconds, self.num_units = time.process_time() - began, len(units)
        config = ClusterConfig("local", workers=self.workers, keep_parts=True)
        interrupts = Interrupts()
        with connected("local") as ray, suppress(Interrupted):
            pool = RayPool(ray, self.job, PoolSize(self.workers, 0, 0), config)
            driver = Driver(
                self.job, sources, units, pool, config=config, observer=AuditObserver(), interrupts=interrupts
            )
            with self._sampled(driver, interrupts, seconds):
                driver.run()

    @contextmanager
    def _sampled(self, driver: Driver, interrupts: Interrupts, seconds: float | None) -> Iterator[None]:
        """Take samples from the moment on at which all workers are ready."""
        stopped = Event()

        def sample() -> None:
            progress = driver.progress
            while not stopped.wait(_SAMPLE_SECONDS):
                if progress.workers_ready < self.workers:
                    continue
                self.samples.append(
                    Sample(time.monotonic(), time.process_time(), _resident(), progress.rows, progress.units_done)
                )
                if seconds is not None and self.samples[-1].seconds - self.samples[0].seconds >= seconds:
                    interrupts.request(signal.SIGTERM)

        thread = Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()


@click.command(help=__doc__)
@click.option("--records", default=1_000_000, show_default=True)
@click.option("--unit-records", default=1000, show_default=True, help="Records in each unit.")
@click.option("--workers", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("cluster-driver.json"), show_default=True)
def main(records: int, unit_records: int, workers: int, out: Path) -> None:
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        job = _job(Path(folder), records, unit_records)
        waiting = Run(replace(job, output=Path(folder, "waiting.jsonl"), open_guard=_opener(sleeping=True)), workers)
        waiting.drive(seconds=_WAIT_SECONDS)
        run = Run(job, workers)
        run.drive()
        rows = sum(1 for _ in job.output.open("rb"))
        figures = Figures(records, run.num_units, workers, round(run.plan_cpu_seconds, 2))
        _fill(figures, run, waiting, _join_again(job))
        figures.sum_up_us_per_unit = round(1e6 * _sum_up_again(job) / run.num_units, 1)
        # Before the folder goes: to remove three files for each of many units takes long.
        out.write_text(json.dumps(asdict(figures), indent=2) + "\n")
        click.echo(out.read_text(), nl=False)
    sys.exit(0 if rows == records else 1)


def _opener(*, sleeping: bool = False) -> NullOpener:
    return NullOpener(
        ModelConfig("smol"),
        Taxonomy.load("llama-guard-3"),
        JudgeConfig(allow_unverified_model=True),
        EngineConfig(threads=1),
        None,
        sleeping,
    )


def _job(folder: Path, records: int, unit_records: int) -> AuditJob:
    source = folder / "input.jsonl"
    line = '{{"id":"{:09}","prompt":"how do i bake bread number {:09} in an old oven"}}\n'
    with source.open("w") as file:
        file.writelines(line.format(n, n) for n in range(records))
    return AuditJob(
        inputs=(str(source),),
        output=folder / "out.jsonl",
        open_guard=_opener(),
        read_options=ReadOptions(),
        unit_bytes=unit_records * len(line.format(0, 0)),
    )


def _join_again(job: AuditJob) -> float:
    """Join the parts of a finished audit into another output; the CPU seconds."""
    with _output(job, job.output.with_name("again.jsonl")) as (output, num_units):
        began = time.process_time()
        for number in range(num_units):
            output.join(number)
        return time.process_time() - began


def _sum_up_again(job: AuditJob) -> float:
    """Sum up a finished output, as for a resume; the CPU seconds."""
    with _output(job, job.output) as (output, _):
        began = time.process_time()
        output.sum_up()
        return time.process_time() - began


@contextmanager
def _output(job: AuditJob, path: Path) -> Iterator[tuple[JoinedOutput, int]]:
    """An output of the parts of a finished audit, and how many units there are."""
    units = job.split(job.read_sources(job.find_files(), AuditPreparation()))
    manifest = peek_manifest(job.output)
    assert manifest is not None
    parts = PartsFolder(job.output, manifest)
    with Journal(path, manifest) as journal:
        yield JoinedOutput(journal, parts, units, observer=AuditObserver(), interrupts=Interrupts()), len(units)


def _fill(figures: Figures, run: Run, waiting: Run, join_seconds: float) -> None:
    """Take the figures from the samples between the first unit that is finished and the last one."""
    idle = waiting.samples[-1].cpu - waiting.samples[0].cpu
    idle /= waiting.samples[-1].seconds - waiting.samples[0].seconds
    busy = [sample for sample in run.samples if 0 < sample.units < run.num_units]
    if len(busy) < 2:
        raise click.ClickException("too few units to measure: give more --records")
    first, last = busy[0], busy[-1]
    rows, units, seconds = last.rows - first.rows, last.units - first.units, last.seconds - first.seconds
    cpu, join = last.cpu - first.cpu, join_seconds * rows / figures.records
    own = cpu - join - idle * seconds
    figures.rows_per_second = round(rows / seconds, 1)
    figures.cpu_us_per_row = round(1e6 * cpu / rows, 2)
    figures.cpu_ms_per_second_of_waiting = round(1e3 * idle, 2)
    figures.join_us_per_row = round(1e6 * join / rows, 2)
    figures.own_us_per_row = round(1e6 * own / rows, 2)
    figures.own_us_per_unit = round(1e6 * own / units, 1)
    tenths = [run.num_units * tenth // 10 for tenth in range(11)]
    figures.resident_mb = {
        tenth: next((sample.resident_mb for sample in run.samples if sample.units >= tenth), 0.0) for tenth in tenths
    }


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


if __name__ == "__main__":
    main()
