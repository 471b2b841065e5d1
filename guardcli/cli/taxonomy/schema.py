"""`guard taxonomy schema`: the JSON Schema of taxonomy files."""

from __future__ import annotations

import click

from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK
from guardcli.taxonomy.json_schema import json_schema_text


@click.command(cls=GuardCommand, examples=("guard taxonomy schema > taxonomy.schema.json",))
def schema() -> int:
    """Print the JSON Schema (draft-07) of taxonomy files.

    Editors use it if the first line of a taxonomy is `# yaml-language-server: $schema=taxonomy.schema.json`.
    """
    output.write(json_schema_text())
    return OK
