"""Filter records by their verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from guardcli.conversation import Malformed, Record
from guardcli.judging.guard import Guard, Prefetch
from guardcli.judging.verdict import Verdict


@dataclass(frozen=True, slots=True)
class FilteredRecord:
    """A record and the verdicts of all conversations in it."""

    record: Record | Malformed
    verdicts: tuple[Verdict, ...]

    @property
    def unjudged(self) -> list[Verdict]:
        """The verdicts that are errors, or that do not cover all text of the record."""
        return [verdict for verdict in self.verdicts if verdict.verdict == "error" or verdict.unread]

    @property
    def unsafe(self) -> bool:
        return any(verdict.verdict == "unsafe" for verdict in self.verdicts)

    def passes(self, *, invert: bool) -> bool:
        """Whether the record passes: if it is safe, or with `invert` if it is unsafe. Unjudged records never pass."""
        return not self.unjudged and self.unsafe is invert


def filter_records(
    guard: Guard, records: Iterable[Record | Malformed], *, prefetch: Prefetch | None = None
) -> Iterator[FilteredRecord]:
    """Judge records in order. Raises GuardError as `Guard.judge` does."""
    verdicts: list[Verdict] = []
    for judged in guard.judge_records(records, prefetch=prefetch):
        verdicts.extend(judged.verdicts)
        if not (isinstance(judged.record, Record) and judged.record.has_next_part):
            yield FilteredRecord(judged.record, tuple(verdicts))
            verdicts.clear()
