"""Join the shards of an audit in the order of the input, and verify that they are complete."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardcli.audit.journal import SUFFIX, RunStatus, read_run
from guardcli.errors import InputError

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
