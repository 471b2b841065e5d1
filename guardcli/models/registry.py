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


def is_demonstration(identity: str) -> bool:
    """Whether a row's model, or one of its adapters, has the name of a bundled model.

    A file that somebody gave such a name counts too: a warning too many does no harm.

    >>> is_demonstration("starter@0123456789ab"), is_demonstration("llama-guard-3-8b@0123456789ab")
    (True, False)
    """
    return any(part.partition("@")[0] in BUNDLED_MODELS for part in identity.split("+"))
