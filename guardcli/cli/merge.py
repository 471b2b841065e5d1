"""`guard merge`: join the shards of an audit in the order of the input, and verify that they are complete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from guardcli.audit import merge_shards
from guardcli.audit.journal import SUFFIX
from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK
from guardcli.files.atomic import atomic_write
from guardcli.text.escaping import pluralize


@click.command(
    cls=GuardCommand,
    exits={0: "the shards are joined", 2: "a shard is missing, unfinished, or belongs to another run"},
    examples=("guard merge part-1.jsonl part-2.jsonl -o whole.jsonl",),
)
@click.argument("shards", nargs=-1, required=True, metavar="SHARD...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT",
    help="The file of all verdicts; - is stdout.",
)
def merge(*, shards: tuple[Path, ...], path: Path) -> int:
    """Join the shards of an audit (guard audit --shard) into OUT, in the order of the input, and verify them."""
    journals = [f"{shard}{SUFFIX}" for shard in shards]
    to_stdout = output.check_output(path, [*shards, *journals], "-o")
    merged = merge_shards(shards)
    num_rows = _write_stdout(merged.rows()) if to_stdout else _write_file(merged.rows(), path)
    counts = pluralize(num_rows, "row"), pluralize(merged.num_units, "unit"), pluralize(len(shards), "shard")
    output.report_written(None if to_stdout else path, "{} of {} in {}".format(*counts))
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
