"""`guard schema`: the JSON Schemas of what guard reads and writes."""

from __future__ import annotations

from collections.abc import Callable

import click

from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK
from guardcli.judging import verdict_schema
from guardcli.taxonomy import json_schema

_SCHEMAS: dict[str, Callable[[], str]] = {
    "verdict": verdict_schema.json_schema_text,
    "taxonomy": json_schema.json_schema_text,
}


@click.command(
    cls=GuardCommand,
    examples=(
        "guard schema verdict > verdict.schema.json",
        "guard schema taxonomy > taxonomy.schema.json",
    ),
)
@click.argument("kind", type=click.Choice(list(_SCHEMAS)), metavar="|".join(_SCHEMAS))
def schema(*, kind: str) -> int:
    """Print the JSON Schema (draft-07) of verdict rows, or of taxonomy files."""
    output.write(_SCHEMAS[kind]())
    return OK
