"""The driver of an audit on a cluster: it hands out units, replaces workers that die, and joins what is finished.

::

    units ─► UnitQueue ─► worker 1 ─► OUT.parts/000000.jsonl ─┐
                     └──► worker 2 ─► OUT.parts/000001.jsonl ─┴─► OUT, unit by unit, in the order of the input

Texts never pass through it: workers read the inputs and write parts, each with a journal of its own, and the driver
copies a part that is finished into the output as one block. So the output is at any time that of an audit which was
interrupted, and one machine can go on where a cluster ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardcli.audit import AuditObserver, Interrupts, Source, Unit
from guardcli.audit.job import AuditJob, mismatch_error
from guardcli.audit.journal import Journal, ManifestMismatchError, peek_manifest
from guardcli.distributed.config import ClusterConfig
from guardcli.distributed.joined_output import JoinedOutput
from guardcli.distributed.parts import PartsFolder
from guardcli.distributed.progress import ClusterProgress
from guardcli.distributed.proof import Proof, describe_proof_differences, make_manifest
from guardcli.distributed.task import UnitCounts, UnitReport
from guardcli.distributed.unit_queue import UnitQueue
from guardcli.distributed.workers import (
    Event,
    UnitCounted,
    UnitEnded,
    WorkerDied,
    WorkerPool,
    WorkerProved,
    WorkerRefused,
)
from guardcli.errors import ClusterError, GuardError
from guardcli.judging.summary import Summary

MAX_DEATHS = 8  # of workers, in one unit without progress; the audit's own rules find a poison record after four
MAX_FAILED_STARTS = 3  # of workers that die before they have proved anything, beside one for each that is wanted
LOCK_RETRIES = 30  # a worker whose node was cut off holds the lock of its part until it ends itself

_WAIT = 0.5  # seconds
_SIZE_INTERVAL = 5.0  # seconds between looks at the nodes of the cluster
_RETRY_PAUSE = 2.0  # seconds
_STOP_SECONDS = 10.0  # in which workers may end their blocks

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _WorkerState:
    """What the driver knows of a worker: its unit, and when that moved last."""

    proof: Proof | None = None
    unit: int | None = None
    counts: UnitCounts = field(default_factory=UnitCounts)
    moved: float = 0.0


class Driver:
    """Runs an audit on a pool of workers."""

    def __init__(
        self,
        job: AuditJob,
        sources: Sequence[Source],
        units: Sequence[Unit],
        pool: WorkerPool,
        *,
        config: ClusterConfig,
        observer: AuditObserver,
        interrupts: Interrupts,
        progress: ClusterProgress | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job, self._sources, self._units = job, sources, units
        self._pool, self._config = pool, config
        self._observer, self._interrupts = observer, interrupts
        self.progress = progress or ClusterProgress()
        self._now = now
        self._workers: dict[int, _WorkerState] = {}
        self._first: Proof | None = None
        self._kinds: list[dict[str, Any]] | None = None  # of workers, with `mixed`, once the run has begun
        self._wanted = 0
        self._sized = float("-inf")
        self._failed_starts = 0
        self._queue = UnitQueue(0, len(units))
        self._deaths: dict[int, int] = {}
        self._rows_at_death: dict[int, int] = {}
        self._retries: dict[int, int] = {}
        self._paused: list[tuple[float, int]] = []

    def run(self) -> Summary:
        """Run the audit to its end, and return the summary of all rows.

        Raises:
            ClusterError: the cluster is too small, workers are not alike, or they die again and again.
            InputError: an input changed, or is another one on a node.
            OutputError: the output or a part cannot be written, or belongs to another run.
            GuardError: the model cannot be used, or judging fails.
        """
        try:
            with self._observer.phase(self.progress.line):
                self._wait_for_proofs()
            manifest = self._manifest()
            try:
                with Journal(self._job.output, manifest) as journal:
                    return self._run(journal, manifest)
            except ManifestMismatchError as error:
                raise mismatch_error(error) from error
        finally:
            self._stop()

    def _manifest(self) -> dict[str, Any]:
        """The manifest of the audit: that of one machine, and of mixed ones also their kinds."""
        before = peek_manifest(self._job.output)
        manifest = make_manifest(self._proofs(), before, mixed=self._config.mixed)
        units = {"bytes": self._job.unit_bytes, "number": len(self._units)}
        return {**manifest, "units": units, "inputs": [source.as_json() for source in self._sources]}

    def _run(self, journal: Journal, manifest: Mapping[str, Any]) -> Summary:
        self._kinds = manifest.get("kinds")
        parts = PartsFolder(journal.path, manifest)
        checkpoint = journal.checkpoint
        output = JoinedOutput(journal, parts, self._units, observer=self._observer, interrupts=self._interrupts)
        if journal.state.finished:
            self._observer.on_finished_before(journal.path, checkpoint)
            output.sum_up()
            return output.summary
        if checkpoint.rows:
            self._observer.on_resume(journal.path, checkpoint)
            output.sum_up()
        parts.create()
        self._queue = UnitQueue(checkpoint.unit, len(self._units))
        self.progress.total_bytes = sum(unit.size for unit in self._units)
        self.progress.num_units, self.progress.units_done = len(self._units), self._queue.num_complete
        self.progress.begin(
            rows=checkpoint.rows, unsafe=checkpoint.unsafe, errors=checkpoint.errors, position=checkpoint.position
        )
        with self._observer.phase(self.progress.line):
            while not self._queue.is_done:
                self._step(output)
                while (number := self._queue.joinable) is not None:
                    output.join(number)
                    self._queue.join()
        for source in self._sources:
            source.check_unchanged()
        with self._interrupts.deferred():
            journal.finish()
        if not self._config.keep_parts:
            parts.remove(len(self._units))
        return output.summary

    def _step(self, output: JoinedOutput) -> None:
        """Start workers, hand out units, and take note of what happens."""
        self._fill()
        now = self._now()
        for due, number in [one for one in self._paused if one[0] <= now]:
            self._paused.remove((due, number))
            self._queue.give_back(number)
        for worker, state in self._workers.items():
            if state.proof is None or state.unit is not None:
                continue
            taken = self._queue.take()
            if taken is None:
                break
            state.unit, state.counts, state.moved = taken, UnitCounts(), now
            self._pool.judge(worker, output.task(taken, state.proof))
        for event in self._wait():
            self._handle(event)
        self._end_hung_workers()

    def _wait(self) -> Sequence[Event]:
        """What has happened. A signal is held back meanwhile: the pool would make another exception of its own."""
        with self._interrupts.deferred():
            return self._pool.wait(_WAIT)

    # workers

    def _wait_for_proofs(self) -> None:
        """Wait for the first worker, or for all that there is room for, where they may be of several kinds."""
        several_kinds = self._config.mixed or self._job.open_guard.engine.reproducible
        while not self._proofs() or (several_kinds and len(self._proofs()) < len(self._workers)):
            self._fill()
            for event in self._wait():
                self._handle(event)

    def _proofs(self) -> list[Proof]:
        return [state.proof for state in self._workers.values() if state.proof is not None]

    def _fill(self) -> None:
        """Start as many workers as there is room for now, and as there are units left."""
        now = self._now()
        if now - self._sized >= _SIZE_INTERVAL:
            self._sized = now
            try:
                self._wanted = self._pool.size().workers
            except ClusterError:
                if not self._workers:
                    raise
                self._wanted = len(self._workers)  # those that are left
        wanted = min(self._wanted, max(1, len(self._units) - self._queue.num_complete))
        while len(self._workers) < wanted:
            self._workers[self._pool.start()] = _WorkerState(moved=now)
        self._show_workers()

    def _handle(self, event: Event) -> None:
        state = self._workers.get(event.worker)
        if state is None:  # it was ended
            return
        match event:
            case WorkerProved():
                self._accept(event.proof)
                state.proof, self._failed_starts = event.proof, 0
                self._show_workers()
            case WorkerRefused():
                raise _on_node(event.error, event.node)
            case WorkerDied():
                self._lose(event.worker, event.reason)
            case UnitCounted():
                if event.counts.activity != state.counts.activity:
                    state.moved = self._now()
                if state.unit is not None:
                    state.counts = event.counts
                    self.progress.count(event.worker, event.counts)
            case UnitEnded():
                self._end_unit(event.worker, state, event.report)

    def _accept(self, proof: Proof) -> None:
        """Compare a worker with the first one. Raises ClusterError: it would give other rows."""
        if self._first is None:
            self._first = proof
            for notice in proof.notices:
                _log.warning("%s", notice)
        differences = describe_proof_differences(
            self._first, proof, mixed=self._config.mixed, reproducible=self._job.open_guard.engine.reproducible
        )
        if self._kinds is not None and proof.hardware not in self._kinds:
            differences.append("it is of a kind that the run did not begin with: leave the node out")
        if differences:
            raise ClusterError(
                f"the worker on {proof.node} differs from the one on {self._first.node}:",
                *(f"  {difference}" for difference in differences),
                code="cluster/workers-differ",
            )
        self._observer.on_worker(proof.node, proof.manifest["model"]["model"])

    def _lose(self, worker: int, reason: str) -> None:
        """A worker is gone: its unit is for another one."""
        state = self._workers.pop(worker)
        self.progress.drop(worker)
        self.progress.restarts += 1
        if state.proof is None:
            self._failed_starts += 1
            if self._failed_starts > MAX_FAILED_STARTS + self._wanted:
                raise ClusterError(
                    f"{self._failed_starts} workers died while they loaded the model: {reason}",
                    code="cluster/workers-lost",
                )
        self._observer.on_worker_lost(state.proof.node if state.proof else "", reason)
        if state.unit is not None:
            self._count_death(state.unit, state.counts.rows, reason)
            self._queue.give_back(state.unit)

    def _count_death(self, number: int, rows: int, reason: str) -> None:
        """Raises ClusterError: too many workers died in a unit that gets no further."""
        if rows > self._rows_at_death.get(number, -1):
            self._deaths[number] = 0
        self._rows_at_death[number] = max(rows, self._rows_at_death.get(number, 0))
        self._deaths[number] = self._deaths.get(number, 0) + 1
        if self._deaths[number] == MAX_DEATHS:
            unit = self._units[number]
            raise ClusterError(
                f"{MAX_DEATHS} workers died in the same place of {unit.source.path}, behind line {unit.first_line}: "
                f"{reason}",
                code="cluster/workers-lost",
            )

    def _end_hung_workers(self) -> None:
        limit = self._config.worker_timeout
        for worker, state in list(self._workers.items()):
            if state.unit is not None and self._now() - state.moved > limit:
                self._pool.kill(worker)
                self._lose(worker, f"nothing was judged for {limit:g} seconds")

    def _end_unit(self, worker: int, state: _WorkerState, report: UnitReport) -> None:
        state.unit = None
        if report.error is None and not report.interrupted:
            for location, signal in report.poison:
                self._observer.on_poison_record(location, signal)
            self.progress.finish(worker, report.counts, self._units[report.number].size)
            self._queue.finish(report.number)
            for counts in (self._deaths, self._rows_at_death, self._retries):
                counts.pop(report.number, None)
            return
        self.progress.drop(worker)
        if report.error is not None:
            self._retries[report.number] = self._retries.get(report.number, 0) + 1
            if report.error.code != "run/in-use" or self._retries[report.number] > LOCK_RETRIES:
                raise _on_node(report.error, state.proof.node if state.proof else "")
        self._paused.append((self._now() + _RETRY_PAUSE, report.number))

    def _stop(self) -> None:
        """Let workers end their blocks, so that none counts as a crash."""
        busy = {worker for worker, state in self._workers.items() if state.unit is not None}
        if not busy:
            return
        self._pool.stop()
        deadline = self._now() + _STOP_SECONDS
        while busy and self._now() < deadline:
            busy -= {event.worker for event in self._pool.wait(_WAIT) if isinstance(event, (UnitEnded, WorkerDied))}

    def _show_workers(self) -> None:
        self.progress.workers = max(self._wanted, len(self._workers))
        self.progress.workers_ready = sum(state.proof is not None for state in self._workers.values())


def _on_node(error: GuardError, node: str) -> GuardError:
    """The error, with where it happened."""
    first, *more = error.lines
    return type(error)(f"on {node}: {first}" if node else first, *more, code=error.code)
