"""The fields of a verdict row: one table checks the rows that are read, and documents them as a JSON Schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from guardcli.formats.errors import describe_type
from guardcli.judging.decision import LOW_MASS

SCHEMA = 2  # the number of this form of rows
READABLE = (1, SCHEMA)

Types: TypeAlias = frozenset[type]

_MAX_SHOWN = 40  # characters of a value in a message
_NULL = type(None)
_STRING: Types = frozenset((str,))
_LARGEST = sys.float_info.max  # an integer of JSON may be larger, and then no float holds it
_NUMBER: Types = frozenset((int, float))  # bool is a type of its own: true is not a number here
_INTEGER: Types = frozenset((int,))
_STRING_OR_NULL: Types = frozenset((str, _NULL))

VERDICTS = ("safe", "unsafe", "error")
SCORINGS = ("verdict", "per_category")
ROLES = ("user", "assistant", "system", "developer", "tool")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowField:
    """A field of a row: the types of its value in Python, what else must hold (`fits`), and its JSON Schema.

    `expected` ends the message about a wrong value. A row may lack a field that is not `required`: nothing is decided
    by it, or an older schema does not have it.
    """

    name: str
    types: Types
    expected: str
    schema: Mapping[str, Any]
    description: str
    fits: Callable[[Any], bool] | None = None
    required: bool = True

    def accepts(self, value: object) -> bool:
        """Whether the field may have a value."""
        return type(value) in self.types and (value is None or self.fits is None or self.fits(value))

    def to_json_schema(self) -> dict[str, Any]:
        """The field as a property of a JSON Schema."""
        types = self.schema.get("type")
        if _NULL in self.types and isinstance(types, str):
            return {"description": self.description, **self.schema, "type": [types, "null"]}
        return {"description": self.description, **self.schema}


def _are_strings(values: Iterable[Any]) -> bool:
    return _STRING.issuperset(map(type, values))


def _are_probabilities(scores: dict[str, Any]) -> bool:
    return _NUMBER.issuperset(map(type, scores.values())) and all(0 <= score <= 1 for score in scores.values())


def _are_counts(counts: dict[str, Any]) -> bool:
    return _INTEGER.issuperset(map(type, counts.values())) and all(count >= 0 for count in counts.values())


def _are_strings_or_null(values: dict[str, Any]) -> bool:
    return _STRING_OR_NULL.issuperset(map(type, values.values()))


def _is_probability(number: float) -> bool:
    return 0 <= number <= 1  # NaN is not


def _is_not_negative(number: float) -> bool:
    return 0 <= number <= _LARGEST


def _is_ordinal(number: int) -> bool:
    return number >= 1


def _is_positive(number: float) -> bool:
    return 0 < number <= _LARGEST


_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_ORDINAL = {"type": "integer", "minimum": 1}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_PROBABILITIES = {"type": "object", "additionalProperties": _PROBABILITY}


def _string(name: str, description: str, *, null: bool = False, required: bool = True) -> RowField:
    return RowField(
        name=name,
        types=_STRING_OR_NULL if null else _STRING,
        expected="text or null" if null else "text",
        schema={"type": "string"},
        description=description,
        required=required,
    )


def _ordinal(name: str, description: str, *, null: bool) -> RowField:
    return RowField(
        name=name,
        types=frozenset((int, _NULL)) if null else _INTEGER,
        expected="a whole number from 1 on, or null" if null else "a whole number from 1 on",
        schema=_ORDINAL,
        description=description,
        fits=_is_ordinal,
    )


def _strings(name: str, expected: str, description: str, *, null: bool = False, required: bool = True) -> RowField:
    return RowField(
        name=name,
        types=frozenset((list, _NULL)) if null else frozenset((list,)),
        expected=expected,
        schema=_STRINGS,
        description=description,
        fits=_are_strings,
        required=required,
    )


def _number(name: str, expected: str, description: str, *, required: bool, probability: bool = True) -> RowField:
    return RowField(
        name=name,
        types=frozenset((int, float, _NULL)),
        expected=expected,
        schema=_PROBABILITY if probability else {"type": "number", "minimum": 0},
        description=description,
        fits=_is_probability if probability else _is_not_negative,
        required=required,
    )


def _probabilities(name: str, description: str) -> RowField:
    return RowField(
        name=name,
        types=frozenset((dict, _NULL)),
        expected="an object of numbers from 0 to 1, or null",
        schema=_PROBABILITIES,
        description=description,
        fits=_are_probabilities,
    )


def _choice(name: str, choices: tuple[str, ...], expected: str, description: str) -> RowField:
    return RowField(
        name=name,
        types=_STRING,
        expected=expected,
        schema={"enum": list(choices)},
        description=description,
        fits=frozenset(choices).__contains__,
    )


_SCORE = "P(unsafe) in [0, 1], unrounded; null if nothing could be read."
_CALIBRATED = "The score after calibration, in [0, 1]; null if the run had no calibration, or the score is null."
_MASS = "P(safe) + P(unsafe) among all tokens where `score` was read; below 0.5 the answer was not a verdict."
_LISTED = "The categories that the model lists; null if they were not read. `categories` has them if the row is unsafe."
_LISTED_SCORES = "The probability of each category to be listed first, with `--scores`."
_CATEGORY_SCORES = "P(unsafe) by category, where each was asked about in a prompt of its own."

_ERROR_CODE = "The kind of the error, such as `record/not-json`: one of docs/errors.md; null without an error."

# A turn of `turns` may lack every field but these.
TURN_FIELDS = (
    _ordinal("turn", "The message, counted from 1.", null=True),
    _string("role", "Who wrote it.", null=True),
    _number("score", "a number from 0 to 1, or null", _SCORE, required=False),
    _number("mass", "a number from 0 to 1, or null", _MASS, required=False),
    _strings("listed", "a list of names, or null", _LISTED, null=True, required=False),
    _probabilities("listed_scores", _LISTED_SCORES),
    _probabilities("category_scores", _CATEGORY_SCORES),
    _string("error", "Why it, or a part of it, could not be judged.", null=True, required=False),
    _string("error_code", _ERROR_CODE, null=True, required=False),
)
_TURN_FIELDS_BY_NAME = {field.name: field for field in TURN_FIELDS}


def _are_turns(turns: list[Any]) -> bool:
    return bool(turns) and all(type(turn) is dict and _is_turn(turn) for turn in turns)


def _is_turn(turn: dict[str, Any]) -> bool:
    if "turn" not in turn or "role" not in turn:
        return False
    return all(
        name in _TURN_FIELDS_BY_NAME and _TURN_FIELDS_BY_NAME[name].accepts(value) for name, value in turn.items()
    )


_TURNS_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {field.name: field.to_json_schema() for field in TURN_FIELDS},
        "required": ["turn", "role"],
        "additionalProperties": False,
    },
}

FIELDS = (
    _string("id", "The record's own id; need not be unique.", null=True),
    _string("source", "The path of the input as given; `-` for stdin, null for values of a program.", null=True),
    _ordinal("line", "The line of the record in its source, or its number, from 1.", null=False),
    _string("part", "The name of one of several conversations in a record, such as `chosen`.", null=True),
    _ordinal("turn", "The message that decides, counted from 1 over all messages of the record.", null=True),
    _string("role", "Who wrote that message: " + ", ".join(ROLES) + ".", null=True),
    _choice("verdict", VERDICTS, "safe, unsafe or error", "`error`: something could not be judged; never safe."),
    _number("score", "a number from 0 to 1, or null", _SCORE + " With `error` it decides nothing.", required=True),
    _number("calibrated", "a number from 0 to 1, or null", _CALIBRATED, required=False),
    RowField(
        name="threshold",
        types=_NUMBER,
        expected="a number from 0 to 1",
        schema=_PROBABILITY,
        description="Unsafe from this score on, or from this `calibrated` on where it is not null, but for categories "
        "with a threshold of their own.",
        fits=_is_probability,
    ),
    _strings(
        "categories", "a list of names, or null", "The violated categories; null if unsafe and not read.", null=True
    ),
    _strings("flags", "a list of names", "Remarks, such as `near_threshold`."),
    RowField(
        name="skipped",
        types=frozenset((dict,)),
        expected="an object of counts",
        schema={"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        description="What was left out because it is not text to judge, counted by kind.",
        fits=_are_counts,
        required=False,
    ),
    _strings(
        "unread", "a list of paths, or null", "The paths of text that was not judged; null if unknown.", null=True
    ),
    RowField(
        name="truncated",
        types=frozenset((bool,)),
        expected="true or false",
        schema={"type": "boolean"},
        description="Earlier messages did not fit into the prompt.",
        required=False,
    ),
    _string("error", "What could not be judged, and why.", null=True),
    _string("error_code", _ERROR_CODE, null=True, required=False),
    _string("model", "The model's name and digest.", required=False),
    _string("template", "The name of the prompt's template.", required=False),
    _choice("scoring", SCORINGS, "verdict or per_category", "One question for all categories, or one for each."),
    RowField(
        name="taxonomy",
        types=frozenset((dict,)),
        expected="an object of names",
        schema={
            "type": "object",
            "properties": {name: {"type": ["string", "null"]} for name in ("name", "prompt", "decision")},
            "additionalProperties": {"type": ["string", "null"]},
        },
        description="The taxonomy's name, and the digests of what the model reads and of what decides.",
        fits=_are_strings_or_null,
    ),
    _probabilities("listed_scores", _LISTED_SCORES),
    _probabilities("category_scores", _CATEGORY_SCORES),
    _number("mass", "a number from 0 to 1, or null", _MASS, required=False),
    _number(
        "tolerance",
        "a number from 0 on, or null",
        "How far a score may differ in another batch, in log-odds; null if unknown.",
        required=False,
        probability=False,
    ),
    RowField(
        name="temperature",
        types=frozenset((int, float, _NULL)),
        expected="a positive number, or null",
        schema={"type": "number", "exclusiveMinimum": 0},
        description="What divides the log-odds of scores to calibrate them; null if the run had no calibration.",
        fits=_is_positive,
        required=False,
    ),
    _strings("listed", "a list of names, or null", _LISTED, null=True, required=False),
    RowField(
        name="turns",
        types=frozenset((list, _NULL)),
        expected="a list of turns with scores, or null",
        schema=_TURNS_SCHEMA,
        description="The scores of each turn, or window of a long one, where the row itself does not tell them.",
        fits=_are_turns,
        required=False,
    ),
    RowField(
        name="meta",
        types=frozenset((dict, _NULL)),
        expected="an object or null",
        schema={"type": "object"},
        description="The fields of the record that were kept, with `--keep`.",
    ),
    _string("text", "The judged message, if it was asked for.", null=True, required=False),
)
FIELD_NAMES = ("schema", *(field.name for field in FIELDS))


def find_fault(row: Mapping[str, Any]) -> str | None:
    """What is wrong with a row of this schema, such as "its line is text; expected …"; None if nothing is."""
    for field in FIELDS:
        if field.name not in row:
            if field.required:
                return f"it has no {field.name}; expected {field.expected}"
            continue
        value, fits = row[field.name], field.fits
        if type(value) not in field.types or (fits is not None and value is not None and not fits(value)):
            return _describe_fault(field, value)  # as `accepts`, without a call for each field
    if row["score"] is None and row["verdict"] != "error":
        return f"its score is null and its verdict {row['verdict']}; expected null with error only"
    if (row.get("calibrated") is None) != (row["score"] is None or row.get("temperature") is None):
        return "its calibrated is not by its temperature; expected both with a score, or neither"
    if row["scoring"] == "per_category":
        if not _has_category_scores(row):
            return "its scoring is per_category; expected category_scores with a number for each category"
    elif any(one.get("category_scores") is not None for one in (row, *(row.get("turns") or ()))):
        return "its scoring is verdict and it has category_scores; expected null, or the scoring per_category"
    if row["verdict"] == "error" and not _has_unjudged_turn(row):
        return "its verdict is error and all of it was judged; expected an error, a score of null or a mass below 0.5"
    return None


def _has_category_scores(row: Mapping[str, Any]) -> bool:
    return all(one.get("score") is None or one.get("category_scores") for one in (row, *(row.get("turns") or ())))


def _has_unjudged_turn(row: Mapping[str, Any]) -> bool:
    """Whether the row tells what could not be judged: without that, another decision would call it safe."""
    for turn in row.get("turns") or (row,):
        mass = turn.get("mass")
        low_mass = "low_mass" in row["flags"] if mass is None else mass < LOW_MASS
        if turn.get("score") is None or turn.get("error") is not None or (low_mass and "forced" not in row["flags"]):
            return True
    return False


def _describe_fault(field: RowField, value: Any) -> str:
    """Such as "its categories is a number; expected a list of names"."""
    fits = field.fits
    if fits is not None and type(value) in field.types and isinstance(value, (list, dict)) and value:
        wrong = next(inner for inner in _inner(value) if not fits(_alone(value, inner)))
        return f"its {field.name} holds {describe_value(wrong)}; expected {field.expected}"
    return f"its {field.name} is {describe_value(value)}; expected {field.expected}"


def _inner(values: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return values.values() if isinstance(values, dict) else values


def _alone(values: list[Any] | dict[str, Any], inner: Any) -> list[Any] | dict[str, Any]:
    return {"": inner} if isinstance(values, dict) else [inner]


def describe_value(value: Any) -> str:
    """A value in a message: numbers, and text where it is short, are themselves."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"the number {str(value)[:_MAX_SHOWN]}"
    if isinstance(value, str) and len(value) <= _MAX_SHOWN:
        return f"the text {value!r}"
    return describe_type(value)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft-07) of a row as this version writes it."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "guard verdict",
        "description": "One line of `guard check --format json`: the verdict on a record, or on one of its messages.",
        "type": "object",
        "properties": {
            "schema": {"description": "The number of this form of rows.", "const": SCHEMA},
            **{field.name: field.to_json_schema() for field in FIELDS},
        },
        "required": list(FIELD_NAMES),
    }


def json_schema_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(json_schema(), indent=2) + "\n"
