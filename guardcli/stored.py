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
from guardcli.printable import printable
from guardcli.writers.jsonl import SCHEMA

Row: TypeAlias = dict[str, Any]
RecordKey: TypeAlias = tuple[str | None, int, str | None]

_NONE = type(None)
_LONGEST = 1 << 26  # bytes of a row; --show-text and --keep may make them long
_NEEDED: dict[str, tuple[type, ...]] = {
    "id": (str, _NONE), "source": (str, _NONE), "line": (int,), "part": (str, _NONE), "turn": (int, _NONE),
    "role": (str, _NONE), "verdict": (str,), "score": (float, int, _NONE), "threshold": (float, int),
    "categories": (list, _NONE), "flags": (list,), "error": (str, _NONE), "scoring": (str,), "taxonomy": (dict,),
    "listed_scores": (dict, _NONE), "category_scores": (dict, _NONE), "meta": (dict, _NONE),
}  # fmt: skip


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


def place_of(row: Row) -> str:
    """Where a person finds what a row is about: source, line and part, whose turn it is, and the record's id."""
    part = f":{row['part']}" if row["part"] else ""
    said = f" {row['role']}#{row['turn']}" if row["turn"] is not None else ""
    return f"{row['source'] or ''}:{row['line']}{part}{said}" + (f" {row['id']}" if row["id"] else "")


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
    if row["schema"] not in (1, SCHEMA) or isinstance(row["schema"], bool):
        schema = printable(str(row["schema"]))
        raise InputError(f"{place}: a row of schema {schema}; this guard reads schema 1 and {SCHEMA}")
    if row["schema"] == 1:
        row |= {"schema": SCHEMA, "unread": None}  # it does not tell
    if not isinstance(unread := row.get("unread"), (list, _NONE)) or not all(
        isinstance(one, str) for one in unread or ()
    ):
        raise InputError(f"{place}: no verdict row: its unread is no list of paths")
    if wrong := [name for name, types in _NEEDED.items() if not isinstance(row[name], types)]:
        raise InputError(f"{place}: no verdict row: its {wrong[0]} is none")
    if not all(_scores(row[name]) for name in ("listed_scores", "category_scores")) or not _named(row["taxonomy"]):
        raise InputError(f"{place}: no verdict row: its scores are no numbers, or its taxonomy has no name")
    score, known = row["score"], row["verdict"] in ("safe", "unsafe", "error")
    if not known or (score is None) is not (row["verdict"] == "error") or not (score is None or 0 <= score <= 1):
        raise InputError(f"{place}: no verdict row: its verdict and its score do not go together")
    return row


def _scores(scores: Any) -> bool:
    return scores is None or all(isinstance(score, (int, float)) for score in scores.values())


def _named(taxonomy: Row) -> bool:
    return all(isinstance(taxonomy.get(name), (str, _NONE)) for name in ("name", "prompt", "decision"))
