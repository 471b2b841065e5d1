"""`guard models`: which models there are, what a file is, and how to get one. One file a command."""

from __future__ import annotations

import click

from guardcli.cli.lazy import LazyGroup

_HERE = "guardcli.cli.models"
_COMMANDS = {
    "list": (f"{_HERE}.list:list_", "List the models that have a name, or those in the local caches."),
    "pull": (f"{_HERE}.pull:pull", "Download a model from the Hugging Face hub."),
    "info": (f"{_HERE}.info:info", "Show what a model is, what it needs, and whether guard supports it."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def models() -> None:
    """Find, download and examine models."""
