"""Records with their verdicts: which of them pass. It reads and writes nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from guardcli.conversation import Malformed, Record
from guardcli.judging.guard import Guard, Prefetch
from guardcli.judging.verdict import Verdict


@dataclass(frozen=True, slots=True)
class FilteredRecord:
    """A record of the input, and the verdict of each conversation in it."""

    record: Record | Malformed
    verdicts: tuple[Verdict, ...]

    @property
    def unjudged(self) -> list[Verdict]:
        """Those that have no verdict, or not of all of the record's text."""
        return [verdict for verdict in self.verdicts if verdict.verdict == "error" or verdict.unread]

    @property
    def unsafe(self) -> bool:
        return any(verdict.verdict == "unsafe" for verdict in self.verdicts)

    def passes(self, *, invert: bool) -> bool:
        """Whether it is let through: the safe, or with `invert` the unsafe; what could not be judged never is."""
        return not self.unjudged and self.unsafe is invert


def filter_records(
    guard: Guard, records: Iterable[Record | Malformed], *, prefetch: Prefetch | None = None
) -> Iterator[FilteredRecord]:
    """Judge records, a row each (any target but "each"), in order. Raises GuardError as `Guard.judge` does."""
    pending: deque[Record | Malformed] = deque()
    verdicts: list[Verdict] = []
    for verdict in guard.judge(_noted(records, pending), prefetch=prefetch):
        record = pending.popleft()
        verdicts.append(verdict)
        if not (isinstance(record, Record) and record.has_next_part):
            yield FilteredRecord(record, tuple(verdicts))
            verdicts.clear()


def _noted(records: Iterable[Record | Malformed], pending: deque[Record | Malformed]) -> Iterator[Record | Malformed]:
    for record in records:
        pending.append(record)
        yield record
