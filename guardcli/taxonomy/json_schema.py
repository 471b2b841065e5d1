"""The JSON Schema (draft-07) of a taxonomy file, for editors: what they complete, explain and underline.

It says what such a schema can say; that ids are unique, that what is named exists, and that no text hides something or
imitates something, only the reader can tell. A test holds the two against each other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from guardcli.taxonomy.files import bundled_taxonomies

_BLANK, _INSIDE = r"\s", r"[^\n\r\t]"
_LINE = rf"^{_BLANK}*\S(?:{_INSIDE}*\S)?{_BLANK}*$"
_NO_PERIOD = rf"^{_BLANK}*(?:\S{_INSIDE}*)?[^\s.]{_BLANK}*$"
_WORD = r"^\s*[^\s,]*[^\s!-/:-@\[-`{-~][^\s,]*\s*$"  # with a character that is no punctuation
_LIKE_A_VERDICT = r"^[\W_]*(?:[Ss][Aa][Ff][Ee]|[Uu][Nn][Ss][Aa][Ff][Ee]|[Ee][Rr][Rr][Oo][Rr])[\W_]*$"
_ID = r"^[A-Z][1-9][0-9]{0,2}$"
_LIKE_AN_ID = r"^\s*[A-Z][1-9][0-9]{0,2}\s*$"

_VERDICT = ["safe", "unsafe"]


def json_schema() -> dict[str, Any]:
    """The schema, as JSON values."""
    alone = {"required": ["categories"], "properties": {"categories": {"items": {"required": ["id", "name"]}}}}
    drops = {"required": ["drop"], "properties": {"drop": {"minItems": 1}}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "guard taxonomy",
        "description": "A policy for Llama Guard: categories, and how to decide on them.",
        **_object(_taxonomy(), required=["name"]),
        "allOf": [
            {"if": {"not": {"required": ["extends"]}}, "then": alone},
            {"if": drops, "then": {"required": ["extends"]}},
        ],
    }


def as_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _taxonomy() -> dict[str, Any]:
    return {
        "name": _text("What the output calls the policy.", _LINE),
        "extends": _text(f"Start from another taxonomy: {', '.join(bundled_taxonomies())}, or a path.", _LINE),
        "drop": _list("Ids of the other taxonomy's categories to leave out.", {"type": "string", "pattern": _ID}),
        "detail": {
            "description": "What of a category the model reads: its name, or all that defines it.",
            "enum": ["names", "full"],
        },
        "threshold": _probability("A score from here on is unsafe; 0.5 if left out."),
        "description": _text("For the people who read the file.", r"\S"),
        "categories": _list(
            "What is unsafe; one that has the id of an extended one overrides it.", _category(), least=1
        ),
        "tests": _list("Conversations and the verdicts expected of them, for guard taxonomy test.", _test()),
    }


def _category() -> dict[str, Any]:
    key = _text("What the output calls it, one word such as self-harm.", _WORD)
    return _object(
        {
            "id": _text("The code that the model writes, such as S11.", _ID),
            "name": _text("The name that the model reads, without a period at its end.", _NO_PERIOD),
            "key": key | {"not": {"anyOf": [{"pattern": _LIKE_AN_ID}, {"pattern": _LIKE_A_VERDICT}]}},
            "description": _text("For people, and for the model with `detail: full`.", r"\S"),
            "should_not": _list("What a model should not do, a line each.", _text("", _LINE)),
            "can": _list("What is allowed all the same.", _text("", _LINE)),
            "should": _list("What a model should do.", _text("", _LINE)),
            "threshold": _probability("A threshold of its own; each category is then scored by a prompt of its own."),
            "examples": _list("Few-shot examples, which the model reads behind the category.", _example()),
        },
        required=["id"],
    )


def _example() -> dict[str, Any]:
    return _object(
        {
            "user": _text("What the user says.", r"\S"),
            "assistant": _text("What the assistant answers.", r"\S"),
            "verdict": {"enum": _VERDICT, "description": "What the model should say of it."},
        },
        required=["user", "verdict"],
    )


def _test() -> dict[str, Any]:
    safe = {"required": ["expect", "categories"], "properties": {"expect": {"const": "safe"}}}
    return {
        **_object(
            {
                "name": _text("What the test is called.", _LINE),
                "prompt": _text("What the user says.", r"\S"),
                "response": _text("What the assistant answers; then this is what is judged.", r"\S"),
                "expect": {"enum": _VERDICT, "description": "The verdict expected."},
                "categories": _list("Ids or keys that must be among the listed ones.", _text("", _LINE)),
                "todo": {"type": "boolean", "description": "It is known to fail: tell, but do not count it."},
            },
            required=["name", "expect"],
        ),
        "anyOf": [{"required": ["prompt"]}, {"required": ["response"]}],
        "if": safe,
        "then": {"properties": {"categories": {"maxItems": 0}}},
    }


def _object(properties: dict[str, Any], *, required: Sequence[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(description: str, items: dict[str, Any], *, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "description": description, "items": items} | ({"minItems": least} if least else {})


def _text(description: str, pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern} | ({"description": description} if description else {})


def _probability(description: str) -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "maximum": 1, "description": description}
