"""Who receives the events of an audit, on one machine or on many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from guardcli.audit.blocks import Item
from guardcli.audit.input_files import InputFiles
from guardcli.audit.journal import Checkpoint, JournalState
from guardcli.formats import Remark

if TYPE_CHECKING:
    from guardcli.judging import Guard, Verdict


class AuditObserver:
    """Receives the events of an audit, and ignores them. Override what you want to show."""

    def phase(self, line: Callable[[], str]) -> AbstractContextManager[object]:
        """A part of the audit begins, and lasts as long as the context; `line` says at any time how far it is."""
        return nullcontext()

    def watch(self, records: Iterable[Item]) -> Iterable[Item]:
        """Records are read; yield them all, unchanged. On a cluster records are read elsewhere."""
        return records

    def on_row(self, row: Verdict) -> None:
        """A row is written. On a cluster rows are written elsewhere."""

    def on_inputs(self, files: InputFiles) -> None:
        """The inputs are known."""

    def on_open(self, guard: Guard) -> None:
        """The model is loaded."""

    def on_resume(self, output: Path, checkpoint: Checkpoint) -> None:
        """The output has rows of an earlier attempt, which are kept."""

    def on_finished_before(self, output: Path, checkpoint: Checkpoint) -> None:
        """The output is finished; nothing is judged."""

    def on_isolation(self, state: JournalState) -> None:
        """The attempts before ended in one block: its records are judged one by one."""

    def on_poison_record(self, location: str, signal: str) -> None:
        """A record ends the process, by a signal of this name: it becomes an error row."""

    def on_no_poison_record(self) -> None:
        """No record of the block ends the process."""

    def on_remark(self, remark: Remark) -> None:
        """Workers of a cluster have read a record on which there is a remark; several may remark the same."""

    def on_worker(self, node: str, description: str) -> None:
        """A worker of a cluster has loaded the model, and is the same as the others."""

    def on_worker_lost(self, node: str, reason: str) -> None:
        """A worker of a cluster is gone; another one takes over its unit."""
