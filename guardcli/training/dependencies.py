"""Imports the optional libraries that training needs, and names the command that installs a missing one."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from guardcli.errors import TuneError

_LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "gguf")


def check_installed() -> None:
    """Raise TuneError if a library of the extra `tune` is not installed. Imports none of them."""
    for name in _LIBRARIES:
        if find_spec(name) is None:
            raise _missing(name)


def require(name: str) -> Any:
    """Import a module of the extra `tune`.

    Raises:
        TuneError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise _missing(error.name or name) from error


def _missing(name: str) -> TuneError:
    return TuneError(f"{name} is not installed: pip install {' '.join(_LIBRARIES)}", code="system/library-missing")
