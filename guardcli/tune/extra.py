"""The door of the libraries that training needs: a missing one is told with the command that installs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from guardcli.errors import TuneError


def needed(name: str) -> Any:
    """A module of the extra `tune`. Raises TuneError: it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise TuneError(f"{error.name or name} is not installed: pip install 'guardcli[tune]'") from error
