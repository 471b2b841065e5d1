"""A bulk run: each block is judged by itself and committed, so that a run that was killed goes on to the same bytes.

A block's rows depend on its records, the manifest and the list of guilty records: the engine is reset before each, to
the prefixes of the policy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import BinaryIO, TypeAlias

from guardcli.audit.blocks import Block, Item, Limits, blocks, without_guilty
from guardcli.audit.interrupts import Interrupts
from guardcli.audit.journal import Checkpoint, Guilty, Journal
from guardcli.audit.progress import Progress
from guardcli.audit.sources import Source
from guardcli.audit.trial import OpenGuard, try_records
from guardcli.audit.units import Unit
from guardcli.classifier import Guard
from guardcli.errors import InputError
from guardcli.verdict import Verdict

Line: TypeAlias = Callable[[Verdict], str]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `of` parts of a run, by which units it takes: disjoint, together complete, the same every time."""

    number: int = 1
    of: int = 1

    def takes(self, unit: int) -> bool:
        """Whether a unit is this one's."""
        return unit % self.of == self.number - 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run reads: its units, how the records of one are read, from a line on, and which of them, in blocks."""

    units: Sequence[Unit]
    read: Callable[[BinaryIO, Unit, int], Iterable[Item]]
    shard: Shard = Shard()
    limits: Limits = field(default_factory=Limits)

    @property
    def taken(self) -> list[int]:
        """The numbers of the units that this shard takes."""
        return [number for number in range(len(self.units)) if self.shard.takes(number)]

    @property
    def size(self) -> int:
        """The bytes of all units that are taken."""
        return sum(self.units[number].size for number in self.taken)

    @property
    def sources(self) -> list[Source]:
        """The sources of these units."""
        return list(dict.fromkeys(self.units[number].source for number in self.taken))

    def blocks(self, checkpoint: Checkpoint) -> Generator[Block, None, None]:
        """The blocks behind a checkpoint."""
        position = checkpoint.position
        begin = sum(self.units[number].size for number in self.taken if number < checkpoint.unit)
        for number in self.taken:
            if number < checkpoint.unit:
                continue
            unit = self.units[number]
            line = checkpoint.line if number == checkpoint.unit else unit.first_line
            with unit.open() as stream:
                for block in blocks(number, self.read(stream, unit, line), self.limits):
                    packed = unit.source.packed
                    position = max(position, begin + stream.tell()) if packed else position + block.size
                    position = min(position, begin + unit.size)
                    yield replace(block, position=position)
            begin += unit.size
            position = begin

    def count(self) -> int:
        """Count the records of all units that are taken."""
        records = 0
        for number in self.taken:
            unit = self.units[number]
            with unit.open() as stream:
                records += sum(1 for _ in self.read(stream, unit, unit.first_line))
        return records


def run(
    guard: Guard,
    journal: Journal,
    plan: Plan,
    line: Line,
    *,
    progress: Progress | None = None,
    interrupts: Interrupts | None = None,
) -> None:
    """Judge what is left of a run, and finish it.

    Raises:
        InputError: a source changed during the run, or does not hold the records that the journal counts.
        GuardError: as `Guard.judge` and `Journal` do.
    """
    progress, interrupts = progress or Progress(), interrupts or Interrupts()
    progress.resume(journal.checkpoint, plan.size)
    for block in plan.blocks(journal.checkpoint):
        plan.units[block.unit].source.check_unchanged()
        with interrupts.deferred():
            journal.begin()
        progress.begin(guard, block)
        _judge_block(guard, journal, block, line, progress, interrupts)
    for source in plan.sources:
        source.check_unchanged()
    _check_complete(journal, plan)
    with interrupts.deferred():
        journal.finish()


def _judge_block(
    guard: Guard, journal: Journal, block: Block, line: Line, progress: Progress, interrupts: Interrupts
) -> None:
    before = (progress.unsafe, progress.errors)
    items = without_guilty(block, journal.state.guilty)
    expected = [key for key, _ in groupby(item.key for item in items)]
    judged = 0
    for key, verdicts in groupby(guard.judge(items, ahead="full"), key=attrgetter("key")):
        if judged == len(expected) or key != expected[judged]:
            raise RuntimeError(f"a row for {key.place}, out of order")
        judged += 1
        for verdict in verdicts:
            with interrupts.deferred():
                journal.write(line(verdict))
            progress.count(verdict)
        progress.block_judged = judged
    if judged != len(expected):
        raise RuntimeError(f"no row for {expected[judged].place}")
    with interrupts.deferred():
        journal.commit(
            records=len(items),
            unit=block.unit,
            line=block.next_line,
            unsafe=progress.unsafe - before[0],
            errors=progress.errors - before[1],
            position=block.position,
        )
    progress.commit()


def _check_complete(journal: Journal, plan: Plan) -> None:
    """Count the records of the input, where a journal says how many of them were judged by an attempt before."""
    if not journal.resumed or not journal.checkpoint.records:
        return
    records = plan.count()
    if records != journal.checkpoint.records:
        raise InputError(
            f"{journal.path} has rows for {journal.checkpoint.records:,} records, and the input has {records:,}: "
            "the journal was changed; choose another name"
        )


def convict(
    journal: Journal,
    plan: Plan,
    open_guard: OpenGuard,
    *,
    progress: Progress | None = None,
    interrupts: Interrupts | None = None,
) -> list[Guilty]:
    """Try the records of the next block one by one, and note in the journal which of them end the process.

    Raises:
        GuardError: they cannot be tried, or the journal cannot be written.
    """
    progress, interrupts = progress or Progress(), interrupts or Interrupts()
    with closing(plan.blocks(journal.checkpoint)) as following:
        block = next(following, None)
    if block is None:
        return []
    known = {(one.unit, one.line, one.part) for one in journal.state.guilty}
    items = [item for item in block.items if (block.unit, item.key.line, item.key.part) not in known]
    found = []
    progress.block_records = len(items)
    for index, ended_by in try_records(open_guard, items):
        progress.block_judged = index + 1
        if ended_by is not None:
            key = items[index].key
            found.append(Guilty(block.unit, key.line, key.part, ended_by))
            with interrupts.deferred():
                journal.convict(found[-1])
    with interrupts.deferred():
        journal.clear()
    return found
