"""`guard taxonomy`: write a policy, look at it, and hold it against cases. One file a command."""

from __future__ import annotations

import click

from guardcli.cli.lazy import LazyGroup

_HERE = "guardcli.cli.taxonomy"
_COMMANDS = {
    "list": (f"{_HERE}.show:list_", "Name the taxonomies that ship with guard."),
    "show": (f"{_HERE}.show:show", "Show what a taxonomy says, and what it changes."),
    "new": (f"{_HERE}.new:new", "Write a commented file to start from."),
    "validate": (f"{_HERE}.validate:validate", "Tell all that is wrong with a taxonomy, each with its place."),
    "render": (f"{_HERE}.render:render", "Show the exact prompt that a conversation becomes."),
    "test": (f"{_HERE}.test:test", "Hold a taxonomy against its tests."),
    "schema": (f"{_HERE}.schema:schema", "Print the JSON Schema of taxonomy files, for editors."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def taxonomy() -> None:
    """Write a policy, look at it, and hold it against cases."""
