"""Read verdict rows back from JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any, BinaryIO, cast

from guardcli.errors import InputError
from guardcli.files.section import FileSection
from guardcli.formats import describe_json_error, open_source
from guardcli.formats.errors import StreamError
from guardcli.formats.line_reader import LineReader
from guardcli.formats.source import iter_utf8
from guardcli.judging.verdict import RecordKey, Verdict
from guardcli.judging.verdict_schema import READABLE, describe_value

_LONGEST = 1 << 26  # bytes of a row; --with-text and --keep may make them long
_EXPECTED = "expected what guard check --format json or guard audit writes"
_DEEPEST = 250  # levels; the records that fields are kept from have 200 at most


def read_verdicts(path: str) -> Iterator[Verdict]:
    """The rows of a file that `guard check --format json` or `guard audit` wrote ("-" is stdin), gzip or not.

    Raises:
        InputError: it cannot be opened, or a line is not such a row.
    """
    with open_source(path) as stream:
        yield from _rows(stream, path)


def read_section(path: str, begin: int, end: int, *, rows_before: int) -> Iterator[Verdict]:
    """The rows in bytes `begin` to `end` of such a file, which has so many rows before them.

    Raises:
        InputError: as `read_verdicts`.
    """
    with open_source(path) as stream:
        yield from _rows(cast(BinaryIO, FileSection(stream, begin, end)), path, rows_before)


def _rows(stream: BinaryIO, path: str, rows_before: int = 0) -> Iterator[Verdict]:
    try:
        for line in LineReader(iter_utf8(stream), _LONGEST).iter_lines():
            if line.content.strip():
                yield _verdict(line.content, f"{path}:{rows_before + line.number}")
    except StreamError as error:
        raise InputError(f"{path}: {error}", code=error.code) from error


def group_by_record(rows: Iterable[Verdict]) -> Iterator[tuple[RecordKey, list[Verdict]]]:
    """The rows of each record, which are adjacent."""
    for key, rows_of_record in groupby(rows, key=attrgetter("record_key")):
        yield key, list(rows_of_record)


def _verdict(content: bytes, place: str) -> Verdict:
    try:
        row = json.loads(content)
    except (ValueError, RecursionError) as error:
        is_object = content.lstrip().startswith(b"{")  # else the file has something else, and not damaged rows
        problem = f"not JSON: {describe_json_error(error)}" if is_object else "not a verdict row"
        raise InputError(f"{place}: {problem}; {_EXPECTED}", code="row/invalid") from error
    if not isinstance(row, dict) or "schema" not in row:
        raise InputError(f"{place}: not a verdict row; {_EXPECTED}", code="row/invalid")
    schema = row["schema"]
    if type(schema) is not int or schema not in READABLE:
        raise InputError(
            f"{place}: a row of schema {describe_value(schema)}; this guard reads schema 1 and 2", code="row/invalid"
        )
    try:
        verdict = Verdict.from_dict(row)
    except ValueError as error:
        raise InputError(f"{place}: invalid verdict row: {error}", code="row/invalid") from None
    if content.count(b"[") + content.count(b"{") > _DEEPEST and _too_deep(row):
        raise InputError(f"{place}: invalid verdict row: nested too deeply", code="row/invalid")
    return verdict


def _too_deep(row: dict[str, Any]) -> bool:
    level: list[Any] = [row]
    for _ in range(_DEEPEST):
        children = (one.values() if isinstance(one, dict) else one for one in level)
        level = [inner for values in children for inner in values if isinstance(inner, (list, dict))]
    return bool(level)
