"""Run an audit: each block is judged by itself and committed, so that a killed run resumes to the same bytes.

A block's rows depend on its records, the manifest and the list of guilty records: the engine is reset before each, to
the prefixes of the policy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from guardcli.audit.blocks import Block, BlockLimits, Item, replace_poison_records, split_into_blocks
from guardcli.audit.isolation import OpenGuard, isolate_records
from guardcli.audit.journal import Checkpoint, Journal, PoisonRecord
from guardcli.audit.progress import AuditProgress
from guardcli.audit.signals import Interrupts
from guardcli.audit.sources import Source
from guardcli.audit.units import Unit, read_unit
from guardcli.errors import InputError

if TYPE_CHECKING:
    from guardcli.judging import Guard, Verdict

Line: TypeAlias = "Callable[[Verdict], str]"


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `count`, from 1: every `count`-th unit of a run."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse `2/8`, the second of eight. Raises ValueError."""
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise ValueError(f"invalid shard {text!r}; expected I/N, such as 2/8 for the second of eight")
        return cls(int(number), int(count))

    def includes(self, unit: int) -> bool:
        """Whether a unit, by its index from 0, belongs to this shard."""
        return unit % self.count == self.number - 1


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What a run reads: its units, a function that reads the records of one from a line on, the shard, block limits."""

    units: Sequence[Unit]
    read: Callable[[BinaryIO, Unit, int], Iterable[Item]] = read_unit
    shard: Shard = Shard()
    limits: BlockLimits = field(default_factory=BlockLimits)

    @property
    def shard_units(self) -> list[int]:
        """The indices of the units of this shard."""
        return [number for number in range(len(self.units)) if self.shard.includes(number)]

    @property
    def size(self) -> int:
        """The bytes of all units of this shard."""
        return sum(self.units[number].size for number in self.shard_units)

    @property
    def sources(self) -> list[Source]:
        """The sources of all units of this shard."""
        return list(dict.fromkeys(self.units[number].source for number in self.shard_units))

    def blocks(self, checkpoint: Checkpoint) -> Generator[Block, None, None]:
        """Read the blocks after a checkpoint."""
        position = checkpoint.position
        begin = sum(self.units[number].size for number in self.shard_units if number < checkpoint.unit)
        for number in self.shard_units:
            if number < checkpoint.unit:
                continue
            unit = self.units[number]
            line = checkpoint.line if number == checkpoint.unit else unit.first_line
            with unit.open() as stream:
                for block in split_into_blocks(number, self.read(stream, unit, line), self.limits):
                    packed = unit.source.packed
                    position = max(position, begin + stream.tell()) if packed else position + block.size
                    position = min(position, begin + unit.size)
                    yield replace(block, position=position)
            begin += unit.size
            position = begin

    def count(self) -> int:
        """Count the records of all units of this shard."""
        records = 0
        for number in self.shard_units:
            unit = self.units[number]
            with unit.open() as stream:
                records += sum(1 for _ in self.read(stream, unit, unit.first_line))
        return records


def run_audit(
    guard: Guard,
    journal: Journal,
    plan: AuditPlan,
    line: Line,
    *,
    progress: AuditProgress | None = None,
    interrupts: Interrupts | None = None,
) -> None:
    """Judge the blocks that are left of a run, and note in the journal that it is finished.

    Raises:
        InputError: a source changed during the run, or does not hold the records that the journal counts.
        GuardError: as `Guard.judge` and `Journal` do.
    """
    progress, interrupts = progress or AuditProgress(), interrupts or Interrupts()
    progress.resume(journal.checkpoint, plan.size)
    check_answers = not journal.checkpoint.rows  # else an attempt before has checked them
    for block in plan.blocks(journal.checkpoint):
        plan.units[block.unit].source.check_unchanged()
        with interrupts.deferred():
            journal.begin()
        progress.begin(guard, block)
        _judge_block(guard, journal, block, line, progress, interrupts, check_answers=check_answers)
    for source in plan.sources:
        source.check_unchanged()
    _check_complete(journal, plan)
    with interrupts.deferred():
        journal.finish()


def _judge_block(
    guard: Guard,
    journal: Journal,
    block: Block,
    line: Line,
    progress: AuditProgress,
    interrupts: Interrupts,
    *,
    check_answers: bool,
) -> None:
    before = (progress.unsafe, progress.errors)
    items = replace_poison_records(block, journal.state.poison_records)
    expected = [key for key, _ in groupby(item.key for item in items)]
    judged = 0
    rows = guard.judge(items, prefetch="full", check_answers=check_answers)
    for key, verdicts in groupby(rows, key=attrgetter("key")):
        if judged == len(expected) or key != expected[judged]:
            raise RuntimeError(f"a row for {key.location}, out of order")
        judged += 1
        for verdict in verdicts:
            with interrupts.deferred():
                journal.write(line(verdict))
            progress.count(verdict)
        progress.block_judged = judged
    if judged != len(expected):
        raise RuntimeError(f"no row for {expected[judged].location}")
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


def _check_complete(journal: Journal, plan: AuditPlan) -> None:
    """Count the records of the input, where a journal says how many of them were judged by an attempt before."""
    if not journal.resumed or not journal.checkpoint.records:
        return
    records = plan.count()
    if records != journal.checkpoint.records:
        raise InputError(
            f"{journal.path} has rows for {journal.checkpoint.records:,} records, and the input has {records:,}: "
            "the journal was changed; choose another name",
            code="run/output-changed",
        )


def isolate_poison_records(
    journal: Journal,
    plan: AuditPlan,
    open_guard: OpenGuard,
    *,
    progress: AuditProgress | None = None,
    interrupts: Interrupts | None = None,
) -> list[PoisonRecord]:
    """Judge the records of the next block one by one in a child process, and journal those that crash it.

    Raises:
        GuardError: they cannot be tried, or the journal cannot be written.
    """
    progress, interrupts = progress or AuditProgress(), interrupts or Interrupts()
    with closing(plan.blocks(journal.checkpoint)) as following:
        block = next(following, None)
    if block is None:
        return []
    noted = {(record.unit, record.line, record.part) for record in journal.state.poison_records}
    items = [item for item in block.items if (block.unit, item.key.line, item.key.part) not in noted]
    poison_records = []
    progress.block_records = len(items)
    for index, ended_by in isolate_records(open_guard, items):
        progress.block_judged = index + 1
        if ended_by is not None:
            key = items[index].key
            poison_records.append(PoisonRecord(block.unit, key.line, key.part, ended_by))
            with interrupts.deferred():
                journal.add_poison_record(poison_records[-1])
    with interrupts.deferred():
        journal.end_isolation()
    return poison_records
