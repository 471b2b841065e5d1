"""`guard taxonomy`: create, validate, render and test policies. One file a command."""

from __future__ import annotations

import click

from guardcli.cli.lazy import LazyGroup

_HERE = "guardcli.cli.taxonomy"
_COMMANDS = {
    "list": (f"{_HERE}.show:list_", "List the built-in taxonomies."),
    "show": (f"{_HERE}.show:show", "Show the categories of a taxonomy, and what it changes."),
    "new": (f"{_HERE}.new:new", "Write a commented policy to edit."),
    "validate": (f"{_HERE}.validate:validate", "Report every problem of a taxonomy, with its place."),
    "test": (f"{_HERE}.test:test", "Run the tests of a taxonomy."),
    "render": (f"{_HERE}.render:render", "Show the exact prompt that a conversation becomes."),
    "schema": (f"{_HERE}.schema:schema", "Print the JSON Schema of taxonomy files, for editors."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def taxonomy() -> None:
    """Create, validate, render and test policies."""
