"""A file of `guard tune prepare` → encoded examples; those that are too long are counted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from guardcli.errors import InputError
from guardcli.text.segments import raw
from guardcli.training.augmentation import Example
from guardcli.training.tokenizer import Encoded, Tokenizer


@dataclass(frozen=True, slots=True)
class Examples:
    """What a file holds: examples of at most so many tokens, how many were longer, the template of their prompts
    (None where there are no examples), the prompts themselves, and the SHA-256 of the file."""

    encoded: tuple[Encoded, ...]
    too_long: int
    template: str | None
    prompts: frozenset[str]
    sha256: str

    @classmethod
    def read(cls, path: Path, tokenizer: Tokenizer, *, max_length: int) -> Examples:
        """Raises InputError: the file cannot be read, or a line is no example; ModelError: as `Tokenizer.example`."""
        try:
            content = path.read_bytes()
            lines = content.decode("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
        found = [Example.from_json(line, f"{path}:{n}") for n, line in enumerate(lines, start=1) if line.strip()]
        templates = {example.template for example in found}
        if len(templates) > 1:
            raise InputError(
                f"{path}: examples for several models: {', '.join(sorted(templates))}; prepare one file for each"
            )
        encoded = tuple(one for one in map(tokenizer.example, found) if len(one.tokens) <= max_length)
        return cls(
            encoded,
            len(found) - len(encoded),
            next(iter(templates), None),
            frozenset(raw(segment for segment in example.prompt if segment.untrusted) for example in found),
            hashlib.sha256(content).hexdigest(),
        )
