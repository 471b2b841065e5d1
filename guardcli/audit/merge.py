"""Join the shards or the parts of an audit in the order of the input, and verify that they are complete."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from guardcli.audit.journal import SUFFIX, Journal, JournalState, RunStatus, read_run, read_state
from guardcli.audit.signals import Interrupts
from guardcli.errors import InputError, OutputError

_PIECE = 1 << 20

PositionedRow = tuple[tuple[int, int], bytes]  # (input, line), and the row


@dataclass(frozen=True, slots=True)
class MergedShards:
    """A complete run in shards: `rows()` reads its rows in the order of the input, as the bytes of a line each."""

    shards: tuple[Path, ...]
    num_units: int
    positions: Mapping[str, int]  # of each input in the run

    def rows(self) -> Iterator[bytes]:
        """Read the rows. Raises InputError if a shard cannot be read, or its rows are not in order."""
        for _, line in heapq.merge(*(_positioned_rows(shard, self.positions) for shard in self.shards)):
            yield line


def merge_shards(paths: Sequence[str | Path]) -> MergedShards:
    """Verify that shards are one complete run.

    >>> merged = merge_shards(["part-1.jsonl", "part-2.jsonl"])
    >>> Path("verdicts.jsonl").write_bytes(b"".join(merged.rows()))

    Raises:
        InputError: a shard is missing, not finished, given twice, or of another run.
        OutputError: a shard has no journal, or was changed.
    """
    shards = tuple(map(Path, paths))
    first: Mapping[str, Any] | None = None
    seen: dict[int, Path] = {}
    total = 0
    for shard in shards:
        run = read_run(shard)
        index, count = _shard_of(run, shard)
        if not run.finished:
            raise InputError(
                f"{shard} is not finished: run the same audit again to resume it", code="run/shard-unfinished"
            )
        rest = {name: value for name, value in run.manifest.items() if name != "shard"}
        if first is None:
            first, total = rest, count
        if rest != first or count != total:
            raise InputError(f"{shard} belongs to another run than {shards[0]}", code="run/other-run")
        if index in seen:
            raise InputError(f"{shard} and {seen[index]} are both shard {index}/{count}", code="run/shard-duplicate")
        seen[index] = shard
    if first is None:
        raise InputError("no shards are given: name all shards of the run", code="run/shard-missing")
    if missing := sorted(set(range(1, total + 1)) - set(seen)):
        raise InputError(
            f"shards are missing: {', '.join(f'shard {one}/{total}' for one in missing)}",
            code="run/shard-missing",
        )
    positions = {path: position for position, path in enumerate(_paths(first, shards[0]))}
    return MergedShards(shards, _num_units(first, shards[0]), positions)


def append_part(
    journal: Journal,
    part: Path,
    *,
    expected: Mapping[str, Any],
    unit: int,
    position: int,
    interrupts: Interrupts | None = None,
) -> JournalState:
    """Append a part, which has the rows that are left of one unit, to an output as one block; return its state.

    The part is verified while it is copied, and committed only if it is whole.

    Args:
        expected: what the manifest of the part must say.
        unit: the index of the unit in the run.
        position: the bytes of the inputs up to the end of the unit.

    Raises:
        InputError: the part is not finished, or of another run.
        OutputError: it has no journal or was changed, or the output cannot be written.
    """
    interrupts = interrupts or Interrupts()
    state = read_state(part)
    if {name: state.manifest.content.get(name) for name in expected} != expected:
        raise InputError(f"{part} belongs to another run", code="run/other-run")
    if not state.finished:
        raise InputError(f"{part} is not finished", code="run/shard-unfinished")
    end = state.checkpoint
    for record in state.poison_records:
        record = replace(record, unit=unit)
        if record not in journal.state.poison_records:
            with interrupts.deferred():
                journal.add_poison_record(record)
    if not end.rows:
        return state
    digest = hashlib.sha256()
    with interrupts.deferred():
        journal.begin()
    for piece in _pieces(part):
        digest.update(piece)
        with interrupts.deferred():
            journal.write_bytes(piece)
    if digest.hexdigest() != end.digest:
        raise OutputError(f"{part} does not match its journal: delete it, and run again", code="run/output-changed")
    with interrupts.deferred():
        journal.commit(
            records=end.records,
            unit=unit,
            line=end.line,
            unsafe=end.unsafe,
            errors=end.errors,
            position=position,
        )
    return state


def _pieces(part: Path) -> Iterator[bytes]:
    try:
        with part.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise InputError(f"{part}: cannot be read: {error.strerror}", code="input/unreadable") from error


def _shard_of(run: RunStatus, shard: Path) -> tuple[int, int]:
    """Return which shard of how many an output is. Raises InputError if its manifest does not say."""
    match run.manifest.get("shard"):
        case [int(index), int(count)] if 1 <= index <= count:
            return index, count
    raise InputError(f"{shard}{SUFFIX}: invalid manifest: expected a shard such as [1, 2]", code="run/output-changed")


def _num_units(manifest: Mapping[str, Any], shard: Path) -> int:
    match manifest.get("units"):
        case {"number": int(number)} if number >= 0:
            return number
    raise InputError(f"{shard}{SUFFIX}: invalid manifest: expected a number of units", code="run/output-changed")


def _paths(manifest: Mapping[str, Any], shard: Path) -> list[str]:
    match manifest.get("inputs"):
        case [*inputs] if all(isinstance(one, dict) and isinstance(one.get("path"), str) for one in inputs):
            return [one["path"] for one in inputs]
    raise InputError(f"{shard}{SUFFIX}: invalid manifest: expected inputs with a path each", code="run/output-changed")


def _positioned_rows(shard: Path, positions: Mapping[str, int]) -> Iterator[PositionedRow]:
    """Yield the rows of a shard, each with its position in the input. Raises InputError if they are not in order."""
    before = (-1, -1)
    for number, line in enumerate(_lines(shard), start=1):
        try:
            row = json.loads(line)
            position = (positions[row["source"]], int(row["line"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InputError(f"{shard}:{number}: not a row of this run", code="run/output-changed") from error
        if position < before:
            raise InputError(f"{shard}:{number}: out of order: the shard was changed", code="run/output-changed")
        before = position
        yield position, line


def _lines(shard: Path) -> Iterator[bytes]:
    try:
        with shard.open("rb") as file:
            yield from file
    except OSError as error:
        raise InputError(f"{shard}: cannot be read: {error.strerror}", code="input/unreadable") from error
