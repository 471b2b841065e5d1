"""The door of the libraries that training needs: a missing one is told with the command that installs it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from guardcli.errors import TuneError

_LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "gguf")


def check() -> None:
    """Raise TuneError, without importing any: one of the libraries is not installed."""
    for name in _LIBRARIES:
        if find_spec(name) is None:
            raise _missing(name)


def needed(name: str) -> Any:
    """A module of the extra `tune`. Raises TuneError: it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise _missing(error.name or name) from error


def _missing(name: str) -> TuneError:
    return TuneError(f"{name} is not installed: pip install 'guardcli[tune]'")
