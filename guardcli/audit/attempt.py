"""One attempt at an audit: from where its journal is to its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from guardcli.audit.journal import Journal
from guardcli.audit.observer import AuditObserver
from guardcli.audit.progress import AuditProgress
from guardcli.audit.run import AuditPlan, isolate_poison_records, run_audit
from guardcli.audit.signals import Interrupts
from guardcli.judging.writers import jsonl

if TYPE_CHECKING:
    from guardcli.audit.isolation import OpenGuard
    from guardcli.judging import Guard, Verdict


@dataclass(frozen=True, slots=True)
class Attempt:
    """Runs an audit from where its journal is to its end. `progress` tells how far it is."""

    journal: Journal
    plan: AuditPlan
    open_guard: OpenGuard
    observer: AuditObserver
    interrupts: Interrupts
    progress: AuditProgress = field(default_factory=AuditProgress)

    def run(self, guard: Guard) -> None:
        """Judge what is left. Isolate poison records first if the last attempts died in one block.

        Isolation loads the model in other processes, so the guard is closed before it and opened again after it.
        """
        journal = self.journal
        if journal.state.finished:
            self.observer.on_finished_before(journal.path, journal.checkpoint)
            return
        if journal.checkpoint.rows:
            self.observer.on_resume(journal.path, journal.checkpoint)
        if not journal.state.needs_isolation:
            self._judge(guard)
            return
        guard.close()
        self._isolate()
        with self.interrupts.deferred():  # not while llama.cpp loads: its callbacks would drop the exception
            reopened = self.open_guard()
        with reopened:
            self._judge(reopened)

    def _isolate(self) -> None:
        """Find the records of the current block that end the process, which become error rows."""
        self.observer.on_isolation(self.journal.state)
        with self.observer.phase(self.progress.trial_line):
            poison_records = isolate_poison_records(
                self.journal, self.plan, self.open_guard, progress=self.progress, interrupts=self.interrupts
            )
        for record in poison_records:
            part = f":{record.part}" if record.part else ""
            location = f"{self.plan.units[record.unit].source.path}:{record.line}{part}"
            self.observer.on_poison_record(location, record.signal)
        if not poison_records:
            self.observer.on_no_poison_record()

    def _judge(self, guard: Guard) -> None:
        self.journal.watch_faults()
        with self.observer.phase(self.progress.line):
            run_audit(guard, self.journal, self.plan, self._line, progress=self.progress, interrupts=self.interrupts)
        self.progress.end()

    def _line(self, row: Verdict) -> str:
        self.observer.on_row(row)
        return jsonl.line(row)
