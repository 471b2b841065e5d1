"""The summary of an output that is joined from parts, by what workers noted of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from guardcli.audit import AuditObserver, Unit
from guardcli.audit.journal import Checkpoint, read_state
from guardcli.distributed.parts import PartsFolder, start_of
from guardcli.distributed.unit_notes import UnitNotes, read_notes
from guardcli.errors import OutputError
from guardcli.judging import reader
from guardcli.judging.summary import Summary


class OutputSummary:
    """Sums up an output, block by block in their order, and tells an observer what was remarked.

    The rows of a block are read only if it is no part of a worker: one machine judged it, or its part is gone.
    """

    def __init__(self, output: Path, parts: PartsFolder, units: Sequence[Unit], observer: AuditObserver) -> None:
        self.summary = Summary()
        self._output, self._parts, self._units, self._observer = output, parts, units, observer
        self._end = Checkpoint()

    def add(self, end: Checkpoint) -> None:
        """Add the block that ends with a checkpoint, behind the one that was added last.

        Raises:
            InputError: the rows of the output cannot be read.
        """
        begin, self._end = self._end, end
        notes = self._notes(begin, end)
        if notes is None:
            for row in reader.read_section(str(self._output), begin.size, end.size, rows_before=begin.rows):
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
        expected = self._parts.identity(end.unit, start_of(self._units, end.unit, begin))
        rows = state.checkpoint
        is_block = (rows.rows, rows.size) == (end.rows - begin.rows, end.size - begin.size)
        if not state.finished or not is_block or not expected.items() <= state.manifest.content.items():
            return None
        return read_notes(part, rows.digest)
