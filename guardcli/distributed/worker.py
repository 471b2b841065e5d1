"""A worker: a process, anywhere, with a guard that judges one unit after the other. It knows nothing of Ray."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TypeAlias

from guardcli.audit import AuditObserver, AuditPlan, BlockLimits, Interrupted, Interrupts, Item, Unit
from guardcli.audit.attempt import Attempt
from guardcli.audit.job import AuditJob
from guardcli.audit.journal import Journal, ManifestMismatchError, files_of
from guardcli.audit.progress import AuditProgress
from guardcli.audit.sources import FileStatus
from guardcli.distributed.proof import Proof, collected_notices, make_proof
from guardcli.distributed.task import UnitCounts, UnitReport, UnitTask
from guardcli.distributed.unit_notes import read_notes, write_notes
from guardcli.errors import ClusterError, GuardError, InputError, ModelError, OutputError
from guardcli.formats import Remark, RemarkCollector
from guardcli.judging import Guard, Verdict, reader
from guardcli.judging.summary import Summary
from guardcli.models.llama import INSTALL_CUDA

_log = logging.getLogger(__name__)

ReadUnit: TypeAlias = Callable[[BinaryIO, Unit, int], Iterable[Item]]


class Worker:
    """Opens the guard of a job, proves that it is the same as elsewhere, and judges units.

    `prove` and `judge` are called one after the other in one thread; `counts` and `stop` at any time in another one.
    """

    def __init__(self, folder: str, job: AuditJob, node: str | None = None, *, has_gpu: bool = False) -> None:
        """`folder` is where paths of the job begin; it is entered by `prove`. `has_gpu`: the worker was given one."""
        self._folder, self._job, self._has_gpu = folder, job, has_gpu
        self._node = node or socket.gethostname()
        self._guard: Guard | None = None
        self._limits = BlockLimits()
        self._read: ReadUnit | None = None
        self._interrupts = Interrupts()
        self._progress = AuditProgress()

    def prove(self) -> Proof:
        """Load the model, and show what would judge. Raises GuardError."""
        try:
            os.chdir(self._folder)
        except OSError as error:
            raise ClusterError(
                f"cannot enter {self._folder}: {error.strerror}; driver and workers need the same folders",
                code="cluster/not-shared",
            ) from error
        with collected_notices() as notices:
            guard = self._open()
            if self._has_gpu and not guard.model.llama.offloaded:
                _log.warning("workers are given GPUs, and their llama-cpp-python cannot use them: %s", INSTALL_CUDA)
        self._limits = self._job.block_limits(guard)
        self._read = self._job.record_reader()
        return make_proof(guard, self._job, node=self._node, notices=tuple(notices))

    def judge(self, task: UnitTask) -> UnitReport:
        """Judge what is left of a unit. Errors for the user are in the report."""
        notes = _UnitObserver()
        try:
            self._attempt(task, _found_unit(task), notes)
        except Interrupted:
            return UnitReport(number=task.number, interrupted=True)
        except GuardError as error:
            return UnitReport(number=task.number, error=error)
        return UnitReport(number=task.number, counts=self.counts(), poison=tuple(notes.poison))

    def counts(self) -> UnitCounts:
        """How far the unit is."""
        progress = self._progress
        try:
            tokens = progress.tokens_evaluated
        except ModelError:  # the guard was closed at this moment, to try records one by one
            tokens = 0
        return UnitCounts(
            rows=progress.rows,
            rows_before=progress.rows_before,
            bytes_before=progress.position_before,
            unsafe=progress.unsafe,
            errors=progress.errors,
            bytes_done=progress.bytes_done,
            activity=(progress.rows, progress.block_judged, tokens, progress.position),
        )

    def stop(self) -> None:
        """Have `judge` end soon, with a clean end of its block in the journal."""
        self._interrupts.request(signal.SIGTERM)

    def _attempt(self, task: UnitTask, unit: Unit, notes: _UnitObserver) -> None:
        read = self._read or self._job.record_reader()

        def read_from_start(stream: BinaryIO, unit: Unit, line: int) -> Iterable[Item]:
            return notes.watch(read(stream, unit, max(line, task.start)))

        plan = AuditPlan([unit], read_from_start, limits=self._limits)
        guard = self._guard or self._open()
        with _open_part(task) as journal:
            attempt = Attempt(journal, plan, self._job.open_guard, notes, self._interrupts)
            attempt.progress.resume(journal.checkpoint, plan.size)  # of a finished part nothing is judged
            self._progress = attempt.progress
            if journal.state.finished and read_notes(journal.path, journal.checkpoint.digest) is not None:
                return
            notes.catch_up(journal, unit, read_from_start)
            if journal.state.needs_isolation:
                self._guard = None  # the attempt closes it
            attempt.run(guard)
            write_notes(journal.path, journal.checkpoint.digest, notes.summary, notes.remarks)

    def _open(self) -> Guard:
        self._guard = self._job.open_guard()
        return self._guard


class _UnitObserver(AuditObserver):
    """Sums up a unit: its rows, what is remarked on its records, and which of them crash the process."""

    def __init__(self) -> None:
        self.summary = Summary()
        self.poison: list[tuple[str, str]] = []
        self._remarks = RemarkCollector()

    @property
    def remarks(self) -> list[Remark]:
        return self._remarks.remarks

    def watch(self, records: Iterable[Item]) -> Iterable[Item]:
        return self._remarks.watch(records)

    def on_row(self, row: Verdict) -> None:
        self.summary.add(row)

    def on_poison_record(self, location: str, signal: str) -> None:
        self.poison.append((location, signal))

    def catch_up(self, journal: Journal, unit: Unit, read: ReadUnit) -> None:
        """Read what an attempt before has judged. Raises InputError: a file cannot be read."""
        if not journal.checkpoint.rows:
            return
        for row in reader.read_verdicts(str(journal.path)):
            self.on_row(row)
        with unit.open() as stream:
            for record in read(stream, unit, unit.first_line):
                if record.key.line >= journal.checkpoint.line:
                    break


def _open_part(task: UnitTask) -> Journal:
    """Open the part of a unit. One of the same run that began elsewhere, or on another kind of machine, is begun anew.

    Raises:
        OutputError: it cannot be written, or belongs to another run.
    """
    part = Path(task.part)
    try:
        return Journal(part, task.manifest)
    except ManifestMismatchError as error:
        if error.before.get("audit") != task.manifest["audit"]:
            raise OutputError(
                f"{part.parent} holds parts of another run: remove the folder, or choose another name for the output",
                code="run/other-run",
            ) from error
        for file in files_of(part):
            file.unlink(missing_ok=True)
        return Journal(part, task.manifest)


def _found_unit(task: UnitTask) -> Unit:
    """Return the unit with the status that its file has here, where another machine sees other inodes.

    Raises:
        InputError: the file is not here, or is not the one that the driver read.
    """
    source = task.unit.source
    path = source.path
    try:
        status = os.stat(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror}; driver and workers need the same files",
            code="input/unreadable",
        ) from error
    if (status.st_size, status.st_mtime_ns) != (source.size, task.modified_ns):
        raise InputError(
            f"{path} has another size or time than where the audit was started: driver and workers need the same files",
            code="run/input-changed",
        )
    return replace(task.unit, source=replace(source, status=FileStatus.from_stat(status)))
