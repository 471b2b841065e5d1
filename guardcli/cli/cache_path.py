"""Where digests of models and their tolerances are cached."""

from __future__ import annotations

import os
from pathlib import Path


def cache_path() -> Path:
    """Return the file in which the digests of models are cached."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "guardcli" / "models.json"
