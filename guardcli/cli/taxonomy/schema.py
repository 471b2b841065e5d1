"""`guard taxonomy schema`: the JSON Schema of taxonomy files."""

from __future__ import annotations

import click

from guardcli.cli import output
from guardcli.cli.exit_codes import OK
from guardcli.taxonomy.json_schema import json_schema_text


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def schema() -> int:
    """Print the JSON Schema (draft-07) of taxonomy files, for editors.

    \b
    guard taxonomy schema > taxonomy.schema.json

    and in the first line of a taxonomy: # yaml-language-server: $schema=taxonomy.schema.json
    """
    output.write(json_schema_text())
    return OK
