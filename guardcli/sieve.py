"""Records with their verdicts: which of them pass. It reads and writes nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from guardcli.classifier import Guard
from guardcli.classifier.guard import Ahead
from guardcli.conversation import Malformed, Record
from guardcli.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Sifted:
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


def sift(guard: Guard, records: Iterable[Record | Malformed], *, ahead: Ahead | None = None) -> Iterator[Sifted]:
    """Judge records, a row each (any target but "each"), in order. Raises GuardError as `Guard.judge` does."""
    under_way: deque[Record | Malformed] = deque()
    found: list[Verdict] = []
    for verdict in guard.judge(_noted(records, under_way), ahead=ahead):
        record = under_way.popleft()
        found.append(verdict)
        if not (isinstance(record, Record) and record.has_next_part):
            yield Sifted(record, tuple(found))
            found.clear()


def _noted(records: Iterable[Record | Malformed], under_way: deque[Record | Malformed]) -> Iterator[Record | Malformed]:
    for record in records:
        under_way.append(record)
        yield record
