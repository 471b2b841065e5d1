"""The output of an audit on a cluster, joined from parts, and its summary."""

from __future__ import annotations

from collections.abc import Sequence

from guardcli.audit import AuditObserver, Interrupts, Unit
from guardcli.audit.journal import Checkpoint, Journal, read_checkpoints, read_state
from guardcli.audit.merge import append_part
from guardcli.distributed.parts import PartsFolder
from guardcli.distributed.proof import Proof
from guardcli.distributed.task import UnitTask
from guardcli.distributed.unit_notes import UnitNotes, read_notes
from guardcli.errors import OutputError
from guardcli.judging import reader
from guardcli.judging.summary import Summary


class JoinedOutput:
    """Appends the parts of units to an output, in the order of the input.

    `summary` is that of its rows, made of what workers noted of their units, and an observer is told what they remarked
    on the records. Rows are read only if they are no part of a worker: one machine judged them, or the part is gone.
    """

    def __init__(
        self,
        journal: Journal,
        parts: PartsFolder,
        units: Sequence[Unit],
        *,
        observer: AuditObserver,
        interrupts: Interrupts,
    ) -> None:
        self.summary = Summary()
        self._journal, self._parts, self._units = journal, parts, units
        self._observer, self._interrupts = observer, interrupts
        self._begin = journal.checkpoint  # of this run
        self._position = sum(unit.size for unit in units[: self._begin.unit])
        self._summed_up = Checkpoint()

    def sum_up(self) -> None:
        """Sum up the blocks that the output has from earlier runs.

        Raises:
            InputError: its rows cannot be read.
        """
        rows = self._journal.checkpoint.rows
        with self._observer.phase(lambda: f"summing up {self.summary.total:,} of {rows:,} rows"):
            for checkpoint in read_checkpoints(self._journal.path):
                self._interrupts.check()
                self._add_block(checkpoint)

    def task(self, number: int, proof: Proof) -> UnitTask:
        """What a worker needs to judge what is left of a unit. Raises InputError: its status is not known."""
        return self._parts.task(number, self._units[number], self._start(number, self._begin), proof)

    def join(self, number: int) -> None:
        """Append the part of the unit that comes next.

        Raises:
            InputError: the part is not finished, or of another run.
            OutputError: it has no journal or was changed, or the output cannot be written.
        """
        self._position += self._units[number].size
        append_part(
            self._journal,
            self._parts.path(number),
            expected=self._parts.identity(number, self._start(number, self._begin)),
            unit=number,
            position=self._position,
            interrupts=self._interrupts,
        )
        if self._journal.checkpoint != self._summed_up:  # the unit has rows
            self._add_block(self._journal.checkpoint)

    def _add_block(self, end: Checkpoint) -> None:
        """Add the block that ends with a checkpoint to the summary."""
        begin, self._summed_up = self._summed_up, end
        notes = self._notes(begin, end)
        if notes is None:
            output = str(self._journal.path)
            for row in reader.read_section(output, begin.size, end.size, rows_before=begin.rows):
                self.summary.add(row)
            return
        notes.add_to(self.summary)
        for remark in notes.remarks:
            self._observer.on_remark(remark)

    def _notes(self, begin: Checkpoint, end: Checkpoint) -> UnitNotes | None:
        """The notes on a block, if it is the whole part of a unit."""
        part = self._parts.path(end.unit)
        try:
            state = read_state(part)
        except OutputError:
            return None
        expected = self._parts.identity(end.unit, self._start(end.unit, begin))
        rows = state.checkpoint
        is_block = (rows.rows, rows.size) == (end.rows - begin.rows, end.size - begin.size)
        if not state.finished or not is_block or not expected.items() <= state.manifest.content.items():
            return None
        return read_notes(part, rows.digest)

    def _start(self, number: int, checkpoint: Checkpoint) -> int:
        """The line from which on a unit is left behind a checkpoint: inside it, where one machine was interrupted."""
        return max(self._units[number].first_line, checkpoint.line if number == checkpoint.unit else 1)
