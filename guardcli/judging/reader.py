"""Verdict rows as they were written: read back from JSON Lines, with the key that tells rows of two runs apart.

It knows the form of a row, and not how one came about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

from guardcli.errors import InputError
from guardcli.formats import open_source
from guardcli.formats.errors import StreamError, describe_type
from guardcli.formats.line_reader import LineReader
from guardcli.formats.source import iter_utf8
from guardcli.judging.writers.jsonl import SCHEMA

VerdictRow: TypeAlias = dict[str, Any]
RecordKey: TypeAlias = tuple[str | None, int, str | None]

_SHOWN = 40  # characters of a value in a message
_LONGEST = 1 << 26  # bytes of a row; --show-text and --keep may make them long
_DEEPEST = 250  # levels; the records that fields are kept from have 200 at most

Types: TypeAlias = frozenset[type]

_NULL = type(None)
_INTEGER: Types = frozenset((int,))  # bool is a type of its own: true is not a number here
_NUMBER: Types = frozenset((int, float))
_STRING: Types = frozenset((str,))
_TEXT: Types = frozenset((str, _NULL))
_VERDICTS, _SCORINGS = frozenset(("safe", "unsafe", "error")), frozenset(("verdict", "each"))


@dataclass(frozen=True, slots=True)
class _Field:
    """What a field of a row may be: a value of one of these types that `fits`, where it is not null."""

    name: str
    types: Types
    expected: str
    fits: Callable[[Any], bool] | None = None


def _field(name: str, types: Iterable[type], expected: str, fits: Callable[[Any], bool] | None = None) -> _Field:
    return _Field(name, frozenset(types), expected, fits)


def _are_names(values: Iterable[Any]) -> bool:
    return _STRING.issuperset(map(type, values))


def _are_scores(scores: dict[str, Any]) -> bool:
    return _NUMBER.issuperset(map(type, scores.values())) and all(0 <= score <= 1 for score in scores.values())


def _are_counts(counts: dict[str, Any]) -> bool:
    return _INTEGER.issuperset(map(type, counts.values())) and all(count >= 0 for count in counts.values())


def _are_names_or_null(taxonomy: dict[str, Any]) -> bool:
    return _TEXT.issuperset(map(type, taxonomy.values()))


def _is_probability(number: float) -> bool:
    return 0 <= number <= 1  # NaN is not


def _counts_from_1(number: int) -> bool:
    return number >= 1


_FIELDS = (
    _field("id", _TEXT, "text or null"),
    _field("source", _TEXT, "text or null"),
    _field("line", _INTEGER, "a whole number from 1 on", _counts_from_1),
    _field("part", _TEXT, "text or null"),
    _field("turn", (int, _NULL), "a whole number from 1 on, or null", _counts_from_1),
    _field("role", _TEXT, "text or null"),
    _field("verdict", _STRING, "safe, unsafe or error", _VERDICTS.__contains__),
    _field("score", (int, float, _NULL), "a number from 0 to 1, or null", _is_probability),
    _field("threshold", _NUMBER, "a number from 0 to 1", _is_probability),
    _field("categories", (list, _NULL), "a list of names, or null", _are_names),
    _field("flags", (list,), "a list of names", _are_names),
    _field("unread", (list, _NULL), "a list of paths, or null", _are_names),
    _field("error", _TEXT, "text or null"),
    _field("scoring", _STRING, "verdict or each", _SCORINGS.__contains__),
    _field("taxonomy", (dict,), "an object of names", _are_names_or_null),
    _field("listed_scores", (dict, _NULL), "an object of numbers from 0 to 1, or null", _are_scores),
    _field("category_scores", (dict, _NULL), "an object of numbers from 0 to 1, or null", _are_scores),
    _field("meta", (dict, _NULL), "an object or null"),
)
_OPTIONAL = (  # nothing is decided by them, and whoever passes rows on may have taken them out
    _field("skipped", (dict,), "an object of counts", _are_counts),
    _field("truncated", (bool,), "true or false"),
    _field("model", _STRING, "text"),
    _field("template", _STRING, "text"),
    _field("text", _TEXT, "text or null"),
)


def read_verdicts(path: str) -> Iterator[VerdictRow]:
    """The rows of a file that `guard check --format json` wrote ("-" is stdin), gzip or not.

    Raises:
        InputError: it cannot be opened, or a line is no such row.
    """
    with open_source(path) as stream:
        try:
            for line in LineReader(iter_utf8(stream)).iter_lines(_LONGEST):
                if line.content.strip():
                    yield _row(line.content, f"{path}:{line.number}")
        except StreamError as error:
            raise InputError(f"{path}: {error}") from error


def record_key(row: VerdictRow) -> RecordKey:
    """The record that a row is about: it has one row, or with `--target each` one for every message."""
    return row["source"], row["line"], row["part"]


def location_of(row: VerdictRow) -> str:
    """Where a person finds what a row is about: source, line and part, whose turn it is, and the record's id."""
    part = f":{row['part']}" if row["part"] else ""
    said = f" {row['role']}#{row['turn']}" if row["turn"] is not None else ""
    return f"{row['source'] or ''}:{row['line']}{part}{said}" + (f" {row['id']}" if row["id"] else "")


def group_by_record(rows: Iterable[VerdictRow]) -> Iterator[tuple[RecordKey, list[VerdictRow]]]:
    """The rows of each record, which stand together."""
    for key, rows_of_record in groupby(rows, key=record_key):
        yield key, list(rows_of_record)


def _row(content: bytes, place: str) -> VerdictRow:
    try:
        row = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not JSON: {error}") from error
    if not isinstance(row, dict) or "schema" not in row:
        raise InputError(f"{place}: not a verdict row; expected what guard check --format json writes")
    schema = row["schema"]
    if type(schema) is not int or schema not in (1, SCHEMA):
        raise InputError(f"{place}: a row of schema {_shown(schema)}; this guard reads schema 1 and {SCHEMA}")
    if schema == 1:
        row |= {"schema": SCHEMA, "unread": None}  # it does not tell
    if fault := _fault(row):
        raise InputError(f"{place}: invalid verdict row: {fault}")
    if content.count(b"[") + content.count(b"{") > _DEEPEST and _too_deep(row):
        raise InputError(f"{place}: invalid verdict row: nested too deeply")
    return row


def _fault(row: VerdictRow) -> str | None:
    """What is wrong with a row; None if nothing is."""
    for field in _FIELDS:
        if field.name not in row:
            return f"it has no {field.name}; expected {field.expected}"
        value = row[field.name]
        if type(value) not in field.types or (field.fits is not None and value is not None and not field.fits(value)):
            return _wrong(field, value)
    for field in _OPTIONAL:
        if field.name in row:
            value = row[field.name]
            if type(value) not in field.types or (field.fits is not None and not field.fits(value)):
                return _wrong(field, value)
    if (row["score"] is None) is not (row["verdict"] == "error"):
        return f"its score is {_shown(row['score'])} and its verdict {row['verdict']}; expected null with error only"
    if row["scoring"] == "each" and row["score"] is not None and not row["category_scores"]:
        return "its scoring is each; expected category_scores with a number for each category"
    return None


def _wrong(field: _Field, value: Any) -> str:
    """Such as "its categories is a number; expected a list of names"."""
    fits = field.fits
    if fits is not None and type(value) in field.types and isinstance(value, (list, dict)):
        wrong = next(inner for inner in _inner(value) if not fits(_like(value, inner)))
        return f"its {field.name} holds {_shown(wrong)}; expected {field.expected}"
    return f"its {field.name} is {_shown(value)}; expected {field.expected}"


def _inner(values: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return values.values() if isinstance(values, dict) else values


def _like(values: list[Any] | dict[str, Any], inner: Any) -> list[Any] | dict[str, Any]:
    return {"": inner} if isinstance(values, dict) else [inner]


def _shown(value: Any) -> str:
    """A value in a message: numbers, and text where it is short, are themselves."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"the number {str(value)[:_SHOWN]}"
    if isinstance(value, str) and len(value) <= _SHOWN:
        return f"the text {value!r}"
    return describe_type(value)


def _too_deep(row: VerdictRow) -> bool:
    level: list[Any] = [row]
    for _ in range(_DEEPEST):
        level = [inner for values in level for inner in _inner(values) if isinstance(inner, (list, dict))]
    return bool(level)
