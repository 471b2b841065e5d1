"""Models that have a name: the one that ships with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "starter"


@dataclass(frozen=True, slots=True)
class BundledModel:
    """A model in the package. `notice` is shown to everyone who uses it."""

    path: Path
    notice: str


BUNDLED_MODELS = {
    "starter": BundledModel(
        _FOLDER / "starter.gguf",
        "starter is a small demonstration model (mean AUPRC 0.766 on five sets): it must not protect anyone. "
        "How to get Llama Guard: README, or guard check without -m",
    )
}


def find_model(name: str | Path) -> Path:
    """Return the file of a bundled model, or else `name` as a path.

    >>> find_model("./starter")  # a file of that name
    PosixPath('starter')
    """
    bundled = BUNDLED_MODELS.get(name) if isinstance(name, str) else None
    return Path(name) if bundled is None else bundled.path


def notice_of(name: str | Path) -> str | None:
    """Return what everyone who uses a bundled model is told; None for other models."""
    bundled = BUNDLED_MODELS.get(name) if isinstance(name, str) else None
    return None if bundled is None else bundled.notice
