"""`guard merge`: join the shards of an audit in the order of the input, and verify that they are complete."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from guardcli.audit.journal import SUFFIX, RunStatus, read_run
from guardcli.cli import output
from guardcli.cli.exit_codes import OK
from guardcli.errors import InputError
from guardcli.files.atomic import atomic_write
from guardcli.text.escaping import pluralize

PositionedRow = tuple[tuple[int, int], bytes]  # (input, line), and the row


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("shards", nargs=-1, required=True, metavar="SHARD...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT",
    help="The whole; - is stdout.",
)
def merge(*, shards: tuple[Path, ...], path: Path) -> int:
    """Join SHARDs that `guard audit --shard` wrote into OUT, in the order of the input.

    \b
    guard merge part-*.jsonl -o verdicts.jsonl

    Exits with 2 if a shard is missing, not finished, or of another run.
    """
    journals = [f"{shard}{SUFFIX}" for shard in shards]
    to_stdout = output.check_output(path, [*shards, *journals], "-o")
    positions, num_units = _verify(shards)
    lines = (line for _, line in heapq.merge(*(_positioned_rows(shard, positions) for shard in shards)))
    num_rows = _write_stdout(lines) if to_stdout else _write_file(lines, path)
    output.echo_err(
        f"guard: {pluralize(num_rows, 'row')} of {pluralize(num_units, 'unit')} in {pluralize(len(shards), 'shard')}"
    )
    return OK


def _write_stdout(lines: Iterator[bytes]) -> int:
    num_rows = 0
    for line in lines:
        output.write_bytes(line)
        num_rows += 1
    return num_rows


def _write_file(lines: Iterator[bytes], path: Path) -> int:
    num_rows = 0
    with atomic_write(path, exclusive=True) as temporary, temporary.open("wb") as file:
        for line in lines:
            file.write(line)
            num_rows += 1
    return num_rows


def _verify(shards: Sequence[Path]) -> tuple[dict[str, int], int]:
    """Check that the shards are one complete run.

    Returns:
        The position of each input in the run, and the number of units.

    Raises:
        InputError: A shard is missing, not finished, given twice, or of another run.
    """
    first: Mapping[str, Any] | None = None
    seen: dict[int, Path] = {}
    total = 0
    for shard in shards:
        run = read_run(shard)
        index, count = _shard_of(run, shard)
        if not run.finished:
            raise InputError(f"{shard} is not finished: start its audit again, and it goes on")
        rest = {name: value for name, value in run.manifest.items() if name != "shard"}
        if first is None:
            first, total = rest, count
        if rest != first or count != total:
            raise InputError(f"{shard} is of another run than {shards[0]}")
        if index in seen:
            raise InputError(f"{shard} and {seen[index]} are both shard {index}/{count}")
        seen[index] = shard
    missing = sorted(set(range(1, total + 1)) - set(seen))
    if missing or first is None:
        raise InputError(f"not all units are there: missing {', '.join(f'shard {one}/{total}' for one in missing)}")
    return {path: position for position, path in enumerate(_paths(first, shards[0]))}, _num_units(first, shards[0])


def _shard_of(run: RunStatus, shard: Path) -> tuple[int, int]:
    """Return which shard of how many an output is. Raises InputError if its manifest does not say."""
    match run.manifest.get("shard"):
        case [int(index), int(count)] if 1 <= index <= count:
            return index, count
    raise InputError(f"{shard}{SUFFIX}: invalid manifest: expected a shard such as [1, 2]")


def _num_units(manifest: Mapping[str, Any], shard: Path) -> int:
    match manifest.get("units"):
        case {"number": int(number)} if number >= 0:
            return number
    raise InputError(f"{shard}{SUFFIX}: invalid manifest: expected a number of units")


def _paths(manifest: Mapping[str, Any], shard: Path) -> list[str]:
    match manifest.get("inputs"):
        case [*inputs] if all(isinstance(one, dict) and isinstance(one.get("path"), str) for one in inputs):
            return [one["path"] for one in inputs]
    raise InputError(f"{shard}{SUFFIX}: invalid manifest: expected inputs with a path each")


def _positioned_rows(shard: Path, positions: dict[str, int]) -> Iterator[PositionedRow]:
    """Yield the rows of a shard, each with its position in the input. Raises InputError if they are not in order."""
    before = (-1, -1)
    for number, line in enumerate(_lines(shard), start=1):
        try:
            row = json.loads(line)
            position = (positions[row["source"]], int(row["line"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InputError(f"{shard}:{number}: not a row of this run") from error
        if position < before:
            raise InputError(f"{shard}:{number}: out of order: the shard was changed")
        before = position
        yield position, line


def _lines(shard: Path) -> Iterator[bytes]:
    try:
        with shard.open("rb") as file:
            yield from file
    except OSError as error:
        raise InputError(f"{shard}: cannot be read: {error.strerror}") from error
