"""`guard merge`: join the shards of an audit in the order of the input, and verify that they are all there."""

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

Placed = tuple[tuple[int, int], bytes]


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
    sources, units = _verified(shards)
    lines = (line for _, line in heapq.merge(*(_placed(shard, sources) for shard in shards)))
    rows = _to_stdout(lines) if to_stdout else _to_file(lines, path)
    output.echo_err(
        f"guard: {pluralize(rows, 'row')} of {pluralize(units, 'unit')} in {pluralize(len(shards), 'shard')}"
    )
    return OK


def _to_stdout(lines: Iterator[bytes]) -> int:
    rows = 0
    for line in lines:
        output.write_bytes(line)
        rows += 1
    return rows


def _to_file(lines: Iterator[bytes], path: Path) -> int:
    rows = 0
    with atomic_write(path, exclusive=True) as place, place.open("wb") as file:
        for line in lines:
            file.write(line)
            rows += 1
    return rows


def _verified(shards: Sequence[Path]) -> tuple[dict[str, int], int]:
    """The place of each input in the order of the run, and the number of its units, once the shards are known to be one
    run, and whole."""
    first: Mapping[str, Any] | None = None
    seen: dict[int, Path] = {}
    total = 0
    for shard in shards:
        run = read_run(shard)
        number, of = _shard_of(run, shard)
        if not run.finished:
            raise InputError(f"{shard} is not finished: start its audit again, and it goes on")
        rest = {name: value for name, value in run.manifest.items() if name != "shard"}
        if first is None:
            first, total = rest, of
        if rest != first or of != total:
            raise InputError(f"{shard} is of another run than {shards[0]}")
        if number in seen:
            raise InputError(f"{shard} and {seen[number]} are both shard {number}/{of}")
        seen[number] = shard
    missing = sorted(set(range(1, total + 1)) - set(seen))
    if missing or first is None:
        raise InputError(f"not all units are there: missing {', '.join(f'shard {one}/{total}' for one in missing)}")
    return {path: place for place, path in enumerate(_paths(first, shards[0]))}, _units(first, shards[0])


def _shard_of(run: RunStatus, shard: Path) -> tuple[int, int]:
    """Which shard of how many an output is. Raises InputError: its manifest does not say."""
    match run.manifest.get("shard"):
        case [int(number), int(of)] if 1 <= number <= of:
            return number, of
    raise InputError(f"{shard}{SUFFIX}: invalid manifest: expected a shard such as [1, 2]")


def _units(manifest: Mapping[str, Any], shard: Path) -> int:
    match manifest.get("units"):
        case {"number": int(number)} if number >= 0:
            return number
    raise InputError(f"{shard}{SUFFIX}: invalid manifest: expected a number of units")


def _paths(manifest: Mapping[str, Any], shard: Path) -> list[str]:
    match manifest.get("inputs"):
        case [*inputs] if all(isinstance(one, dict) and isinstance(one.get("path"), str) for one in inputs):
            return [one["path"] for one in inputs]
    raise InputError(f"{shard}{SUFFIX}: invalid manifest: expected inputs with a path each")


def _placed(shard: Path, sources: dict[str, int]) -> Iterator[Placed]:
    """The rows of a shard as they stand, each with its place in the input."""
    before = (-1, -1)
    for number, line in enumerate(_lines(shard), start=1):
        try:
            row = json.loads(line)
            place = (sources[row["source"]], int(row["line"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InputError(f"{shard}:{number}: not a row of this run") from error
        if place < before:
            raise InputError(f"{shard}:{number}: out of order: the shard was changed")
        before = place
        yield place, line


def _lines(shard: Path) -> Iterator[bytes]:
    try:
        with shard.open("rb") as file:
            yield from file
    except OSError as error:
        raise InputError(f"{shard}: cannot be read: {error.strerror}") from error
