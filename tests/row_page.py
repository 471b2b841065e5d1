"""The tables of a verdict's fields in docs/check.md. `python -m tests.row_page` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from guardcli.judging.verdict_schema import FIELDS, TURN_FIELDS, RowField, json_schema
from tests.generated import cell, replace_generated_parts

PAGE = Path(__file__).parent.parent / "docs" / "check.md"


def generated() -> str:
    """Return the tables of the row and of its turns."""
    schema = json_schema()["properties"]["schema"]["description"]
    head = "| field | value | meaning |\n|---|---|---|\n"
    first = f"| `schema` | a number | {cell(schema)} |\n"
    return f"{head}{first}{_rows(FIELDS)}\nEach of `turns` has:\n\n{head}{_rows(TURN_FIELDS)}"


def _rows(fields: Iterable[RowField]) -> str:
    return "".join(f"| `{field.name}` | {cell(field.expected)} | {cell(field.description)} |\n" for field in fields)


if __name__ == "__main__":
    replace_generated_parts(PAGE, [generated()])
