"""What a taxonomy is made of: immutable values that know their place in the file, and nothing of YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from guardcli.errors import Code, Problem

Detail = Literal["names", "full"]
Label = Literal["safe", "unsafe"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where something stands in a file; `line` and `column` count from 1."""

    path: str
    line: int
    column: int

    def problem(self, message: str, code: Code = "taxonomy") -> Problem:
        """Something wrong at this place."""
        return Problem(self.path, self.line, self.column, message, code)


@dataclass(frozen=True, slots=True)
class Example:
    """A few-shot example: what was said, and the verdict the model should learn from it."""

    user: str
    assistant: str | None
    verdict: Label


@dataclass(frozen=True, slots=True)
class Category:
    """One category: the model reads and writes its `id`; output calls it by its `label`."""

    id: str
    name: str
    key: str | None
    description: str | None
    should_not: tuple[str, ...]
    can: tuple[str, ...]
    should: tuple[str, ...]
    threshold: float | None
    examples: tuple[Example, ...]
    location: Location = field(compare=False)

    @property
    def label(self) -> str:
        return self.key or self.id


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """A conversation and the verdict expected of it; `categories` are ids, however the file named them."""

    name: str
    prompt: str | None
    response: str | None
    expect: Label
    categories: tuple[str, ...]
    todo: bool
    location: Location = field(compare=False)
