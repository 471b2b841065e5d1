"""Verdict rows as they were written: read back from JSON Lines, with the key that tells rows of two runs apart.

It knows the form of a row, and not how one came about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, TypeAlias

from guardcli.errors import InputError
from guardcli.formats import open_source
from guardcli.formats.faults import Damaged
from guardcli.formats.reader import Reader
from guardcli.formats.source import text
from guardcli.writers.jsonl import SCHEMA

Row: TypeAlias = dict[str, Any]
RecordKey: TypeAlias = tuple[str | None, int, str | None]

_LONGEST = 1 << 26  # bytes of a row; --show-text and --keep may make them long
_NEEDED = ("source", "line", "part", "turn", "verdict", "score", "threshold", "categories", "flags", "scoring")


def read(path: str) -> Iterator[Row]:
    """The rows of a file that `guard check --format json` wrote ("-" is stdin), gzip or not.

    Raises:
        InputError: it cannot be opened, or a line is no such row.
    """
    with open_source(path) as stream:
        try:
            for line in Reader(text(stream)).lines(_LONGEST):
                if line.content.strip():
                    yield _row(line.content, f"{path}:{line.number}")
        except Damaged as error:
            raise InputError(f"{path}: {error}") from error


def record_of(row: Row) -> RecordKey:
    """The record that a row is about: it has one row, or with `--target each` one for every message."""
    return row["source"], row["line"], row["part"]


def by_record(rows: Iterable[Row]) -> Iterator[tuple[RecordKey, list[Row]]]:
    """The rows of each record, which stand together."""
    for key, found in groupby(rows, key=record_of):
        yield key, list(found)


def _row(content: bytes, place: str) -> Row:
    try:
        row = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not JSON: {error}") from error
    if not isinstance(row, dict) or "schema" not in row or any(name not in row for name in _NEEDED):
        raise InputError(f"{place}: no verdict row: guard check --format json writes them")
    if row["schema"] != SCHEMA:
        raise InputError(f"{place}: a row of schema {row['schema']}; this guard reads schema {SCHEMA}")
    if row["verdict"] not in ("safe", "unsafe", "error") or not isinstance(row.get("taxonomy"), dict):
        raise InputError(f"{place}: no verdict row: its verdict or its taxonomy is none")
    return row
