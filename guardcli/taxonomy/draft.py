"""A Draft: what one taxonomy file says, before its parents are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from guardcli.taxonomy.field_types import LocatedText
from guardcli.taxonomy.types import Detail, Example, Label, Location


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
class DraftTest:
    """A test whose categories are still as the file names them, by id or by key."""

    name: LocatedText
    prompt: str | None
    response: str | None
    expect: Label
    categories: tuple[LocatedText, ...]
    todo: bool
    location: Location

    @classmethod
    def from_fields(cls, fields: dict[str, Any], location: Location) -> DraftTest:
        return cls(
            name=fields.get("name", LocatedText("", location)),
            prompt=fields.get("prompt"),
            response=fields.get("response"),
            expect=fields.get("expect", ""),
            categories=fields.get("categories", ()),
            todo=fields.get("todo", False),
            location=location,
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
