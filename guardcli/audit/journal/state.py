"""What the entries of a journal add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from guardcli.audit.journal.entries import (
    Begin,
    Checkpoint,
    CorruptJournal,
    Died,
    Ended,
    Entry,
    Finished,
    Isolated,
    Manifest,
    PoisonRecord,
)

MAX_SILENT_DEATHS = 3  # deaths of one block without a trace, before its records are tried one by one


@dataclass(frozen=True, slots=True)
class JournalState:
    """How far a run is.

    `open` says that a block was begun and neither committed nor ended. `silent_deaths` and `faults` count how often the
    process died in the block behind the checkpoint, since its records were last tried.
    """

    manifest: Manifest
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    open: bool = False
    silent_deaths: int = 0
    faults: int = 0
    poison_records: tuple[PoisonRecord, ...] = ()
    finished: bool = False

    @property
    def needs_isolation(self) -> bool:
        """Whether the records of the next block should be tried one by one."""
        return self.faults > 0 or self.silent_deaths >= MAX_SILENT_DEATHS

    def after(self, entry: Entry) -> JournalState:
        """The state with one more entry. Raises CorruptJournal: the entry is out of order."""
        if self.finished or isinstance(entry, Manifest):
            raise CorruptJournal(f"unexpected {type(entry).__name__.lower()}")
        match entry:
            case Begin():
                if self.open or entry.rows != self.checkpoint.rows:
                    raise CorruptJournal(f"unexpected beginning of a block at row {entry.rows}")
                return replace(self, open=True)
            case Checkpoint():
                if not self.open or not _follows(self.checkpoint, entry):
                    raise CorruptJournal("unexpected checkpoint")
                return replace(self, checkpoint=entry, open=False, silent_deaths=0, faults=0)
            case Ended():
                return replace(self, open=False)
            case Died():
                silent, faults = (1, 0) if entry.fault is None else (0, 1)
                return replace(self, open=False, silent_deaths=self.silent_deaths + silent, faults=self.faults + faults)
            case PoisonRecord():
                return replace(self, poison_records=(*self.poison_records, entry))
            case Isolated():
                return replace(self, silent_deaths=0, faults=0)
            case Finished():
                if self.open or entry.rows != self.checkpoint.rows:
                    raise CorruptJournal("finished before the last block is committed")
                return replace(self, finished=True)


def replay(entries: Iterable[Entry]) -> JournalState | None:
    """The state after all entries; None without entries. Raises CorruptJournal."""
    state: JournalState | None = None
    for number, entry in enumerate(entries, start=1):
        try:
            if state is not None:
                state = state.after(entry)
            elif isinstance(entry, Manifest):
                state = JournalState(entry)
        except CorruptJournal as error:
            raise CorruptJournal(f"line {number}: {error}") from None
    return state


def _follows(before: Checkpoint, after: Checkpoint) -> bool:
    grows = all(
        getattr(before, name) <= getattr(after, name) for name in ("rows", "records", "unsafe", "errors", "size")
    )
    return grows and (before.unit, before.line) < (after.unit, after.line)
