"""The tables of a taxonomy's fields in docs/taxonomy.md. `python -m tests.taxonomy_page` writes them."""

from __future__ import annotations

from pathlib import Path

from guardcli.taxonomy.field_types import (
    Boolean,
    CategoryId,
    Choice,
    Field,
    FieldType,
    ListOf,
    MappingOf,
    Number,
    Text,
    WithLocation,
)
from guardcli.taxonomy.schema import CATEGORY, EXAMPLE, TAXONOMY, TEST, TEST_MESSAGE
from tests.generated import cell, replace_generated_parts

PAGE = Path(__file__).parent.parent / "docs" / "taxonomy.md"

_TABLES = (
    ("The file", TAXONOMY),
    ("A category", CATEGORY),
    ("An example of a category", EXAMPLE),
    ("A test", TEST),
    ("A message of a test", TEST_MESSAGE),
)
_NAMES = {id(CATEGORY): "categories", id(EXAMPLE): "examples", id(TEST): "tests", id(TEST_MESSAGE): "messages"}


def generated() -> str:
    """Return the tables, one for each mapping."""
    return "\n".join(_table(title, mapping) for title, mapping in _TABLES)


def _table(title: str, mapping: MappingOf) -> str:
    rows = "".join(_row(field) for field in mapping.fields)
    return f"### {title}\n\n| field | value | meaning |\n|---|---|---|\n{rows}"


def _row(field: Field) -> str:
    required = " Required." if field.required else ""
    return f"| `{field.name}` | {cell(_value(field.type))} | {cell(field.description)}{required} |\n"


def _value(type: FieldType) -> str:
    """Return what a value of a type is, in a word or two."""
    if isinstance(type, WithLocation):
        return _value(type.type)
    if isinstance(type, ListOf):
        return f"a list of {_NAMES[id(type.items)] if isinstance(type.items, MappingOf) else _value(type.items)}"
    if isinstance(type, Choice):
        return " or ".join(f"`{word}`" for word in type.words)
    if isinstance(type, Number):
        return f"a number from {type.minimum:g} to {type.maximum:g}"
    return {Boolean: "`true` or `false`", CategoryId: "an id such as `S11`", Text: "text"}[type.__class__]


if __name__ == "__main__":
    replace_generated_parts(PAGE, [generated()])
