"""A bulk run: the records of files in blocks, each judged by itself, so that a run that was killed goes on to the same
bytes.

A block's batches depend on its records alone: the engine lets go of all that it holds before each. It knows no command
line, and of the disk only what `journal` does.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields

from guardcli.classifier import Guard
from guardcli.conversation import Malformed, Record, characters
from guardcli.engine import Counts
from guardcli.errors import InputError
from guardcli.journal import Journal, Mark
from guardcli.verdict import Verdict

BLOCK_RECORDS, BLOCK_CHARACTERS = 512, 1 << 19  # a block ends with the record that reaches either
ENDED_BY = 5  # so often may a block be begun and not end before its records are judged one at a time
POISONED = "the run ended, again and again, while this record was judged: it is left out"

# So many lines that stand together go to one shard together: they are read together, and share their beginnings.
SHARED_OUT = 64

Item = Record | Malformed
Line = Callable[[Verdict], str]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `of` parts of a run, by which lines it takes: disjoint, together complete, the same every time."""

    number: int = 1
    of: int = 1

    def takes(self, source: int, line: int) -> bool:
        """Whether a line of a source is this one's."""
        return ((line - 1) // SHARED_OUT + source) % self.of == self.number - 1


@dataclass(frozen=True, slots=True)
class Source:
    """An input file: its path as given, and by what it is known again."""

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, path: str) -> Source:
        """Raises InputError: it cannot be read."""
        digest = hashlib.sha256()
        try:
            with open(path, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
                return cls(path, file.tell(), digest.hexdigest())
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error


@dataclass(slots=True)
class Progress:
    """How far a run is: rows by verdict and unsafe ones by category since it was begun or taken up, bytes of records
    that it read since, what the engine did, and the place in the input."""

    verdicts: Counter[str] = field(default_factory=Counter)
    read: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    counts: Counts = field(default_factory=Counts)
    mark: Mark = field(default_factory=Mark)

    def see(self, verdict: Verdict) -> None:
        """Count a row."""
        self.verdicts[verdict.verdict] += 1
        if verdict.verdict == "unsafe":
            self.categories.update(verdict.categories)

    def add(self, counts: Counts) -> None:
        """Count what the engine did for a block."""
        for field_ in fields(Counts):
            setattr(self.counts, field_.name, getattr(self.counts, field_.name) + getattr(counts, field_.name))


def run(
    guard: Guard,
    journal: Journal,
    sources: Sequence[Source],
    read: Callable[[str, int], Iterable[Item]],
    line: Line,
    *,
    size: int = BLOCK_RECORDS,
    shard: Shard = Shard(),
) -> Iterator[Progress]:
    """Judge what is left of a shard of the sources, and yield how far it is after every block of `size` records. `read`
    gives the records of a path from a line on.

    Raises:
        InputError: a source changed under the run.
        GuardError: as `Guard.judge` and `Journal` do.
    """
    progress = Progress(mark=journal.mark)
    alone = journal.mark.alone or (size if journal.begun >= ENDED_BY else 0)
    poisoned = alone > 0 and journal.begun >= (2 if journal.mark.alone else ENDED_BY + 2)
    for block, after in blocks(_records(sources, read, journal.mark, shard), size, alone):
        _check_unchanged(sources, block)
        journal.begin()
        guard.reset()
        rows = progress.mark.rows
        for verdict in guard.judge(_poisoned(block) if poisoned else [item for _, item in block], ahead="full"):
            journal.write(line(verdict))
            rows += 1
            progress.see(verdict)
        alone, poisoned = max(0, alone - 1), False
        progress.mark = Mark(rows, journal.size, *after, alone)
        journal.end(progress.mark)
        progress.read += sum(len(item.raw) + 1 for _, item in block if isinstance(item, Record) and not item.more)
        progress.add(guard.counts)
        yield progress
    journal.finish()


def blocks(
    records: Iterable[tuple[int, Item]], size: int, alone: int = 0
) -> Iterator[tuple[list[tuple[int, Item]], tuple[int, int]]]:
    """Records of (source, record) in blocks of `size`, each with where the next one begins (source, line).

    The first `alone` blocks hold one record. What stands on one line is never parted.
    """
    block: list[tuple[int, Item]] = []
    weight = 0
    for source, item in records:
        place = (source, item.key.line)
        full = len(block) >= (1 if alone else size) or weight >= BLOCK_CHARACTERS
        if full and block and (block[-1][0], block[-1][1].key.line) != place:
            yield block, place
            block, weight, alone = [], 0, max(0, alone - 1)
        block.append((source, item))
        weight += characters(item)
    if block:
        yield block, (block[-1][0] + 1, 1)


def _poisoned(block: Sequence[tuple[int, Item]]) -> list[Item]:
    return [Malformed(item.key, POISONED, item.fields) for _, item in block]


def _records(
    sources: Sequence[Source], read: Callable[[str, int], Iterable[Item]], mark: Mark, shard: Shard
) -> Iterator[tuple[int, Item]]:
    for number in range(mark.source, len(sources)):
        start = mark.line if number == mark.source else 1
        for item in read(sources[number].path, start):
            if shard.takes(number, item.key.line):
                yield number, item


def _check_unchanged(sources: Sequence[Source], block: Sequence[tuple[int, Item]]) -> None:
    for number in sorted({number for number, _ in block}):
        source = sources[number]
        try:
            size = os.stat(source.path).st_size
        except OSError as error:
            raise InputError(
                f"{source.path} went away under the run: {error.strerror}; what is written stands"
            ) from error
        if size != source.size:
            raise InputError(f"{source.path} changed under the run (from {source.size:,} to {size:,} bytes); "
                             "what is written stands")  # fmt: skip
