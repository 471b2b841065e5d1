"""A Draft: what one taxonomy file says, before its parents are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from guardcli.taxonomy.field_types import LocatedText
from guardcli.taxonomy.types import Detail, Example, Label, Location, Speaker


@dataclass(frozen=True, slots=True)
class DraftCategory:
    """`fields` are those that the file gives; the others may be inherited."""

    id: LocatedText
    fields: dict[str, Any]
    location: Location

    @classmethod
    def from_fields(cls, fields: dict[str, Any], location: Location) -> DraftCategory:
        others = {name: value for name, value in fields.items() if name != "id"}
        return cls(fields.get("id", LocatedText("", location)), others, location)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftMessage:
    """A message of a test, and what is expected of it: None if it is not judged.

    The categories are still as the file names them, by id or by key.
    """

    role: Speaker
    content: str
    expect: Label | None
    categories: tuple[LocatedText, ...]
    location: Location

    @classmethod
    def from_fields(cls, fields: dict[str, Any], location: Location) -> DraftMessage:
        return cls(
            role=fields.get("role", "user"),
            content=fields.get("content", ""),
            expect=fields.get("expect"),
            categories=fields.get("categories", ()),
            location=location,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTest:
    """A test. `prompt` and `response` are messages, too, and what the test expects is expected of the last one."""

    name: LocatedText
    messages: tuple[DraftMessage, ...]
    todo: bool
    location: Location

    @classmethod
    def from_fields(cls, fields: dict[str, Any], location: Location) -> DraftTest:
        *earlier, last = fields.get("messages", ()) or _prompt_and_response(fields, location)
        expected = {"expect": fields.get("expect", ""), "categories": fields.get("categories", ())}
        return cls(
            name=fields.get("name", LocatedText("", location)),
            messages=(*earlier, replace(last, **expected, location=location)),
            todo=fields.get("todo", False),
            location=location,
        )


def _prompt_and_response(fields: dict[str, Any], location: Location) -> tuple[DraftMessage, ...]:
    """The messages of a test without `messages`. One that says nothing, which is reported, has an empty message."""
    given = [(role, fields[name]) for role, name in (("user", "prompt"), ("assistant", "response")) if name in fields]
    return tuple(
        DraftMessage.from_fields({"role": role, "content": text}, location) for role, text in given or [("user", "")]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One file. It is `complete` if the id of every category could be read."""

    name: str
    description: str | None
    extends: LocatedText | None
    drop: tuple[LocatedText, ...]
    detail: Detail | None
    threshold: float | None
    categories: tuple[DraftCategory, ...]
    tests: tuple[DraftTest, ...]
    complete: bool
    location: Location

    @classmethod
    def from_fields(cls, fields: dict[str, Any], location: Location) -> Draft:
        categories: tuple[DraftCategory, ...] = fields.get("categories", ())
        inherits_all = "extends" in fields and "categories" not in fields
        return cls(
            name=fields.get("name", ""),
            description=fields.get("description"),
            extends=fields.get("extends"),
            drop=fields.get("drop", ()),
            detail=fields.get("detail"),
            threshold=fields.get("threshold"),
            categories=tuple(category for category in categories if category.id),
            tests=fields.get("tests", ()),
            complete=inherits_all or (bool(categories) and all(category.id for category in categories)),
            location=location,
        )


def example_from_fields(fields: dict[str, Any], _location: Location) -> Example:
    return Example(fields.get("user", ""), fields.get("assistant"), fields.get("verdict", ""))
