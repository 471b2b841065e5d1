"""Models that are known by name: the one that ships with the package. It reads no model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "starter"


@dataclass(frozen=True, slots=True)
class Known:
    """A model's file, and what everybody should know who uses it."""

    path: Path
    notice: str


STARTER = Known(
    _FOLDER / "starter.gguf",
    "starter is a small demonstration model (mean AUPRC 0.766 on five sets): it must not protect anyone. "
    "How to get Llama Guard: README, or guard check without -m",
)

KNOWN = {"starter": STARTER}


def find(name: str | Path) -> Path:
    """The file that a name or a path means. A known name wins; a file of that name needs a path, such as ./starter."""
    known = KNOWN.get(name) if isinstance(name, str) else None
    return Path(name) if known is None else known.path
