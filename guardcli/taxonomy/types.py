"""The values that a taxonomy is made of. Each knows its location in a file, for messages about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from guardcli.errors import Problem, TaxonomyCode

Detail = Literal["names", "full"]
Label = Literal["safe", "unsafe"]
Speaker = Literal["user", "assistant"]
Need = Literal["documents", "tools"]


@dataclass(frozen=True, slots=True)
class Location:
    """A position in a file. `line` and `column` count from 1.

    In a taxonomy that was made of a dict `key` is the position, such as "categories[0].threshold"; then `line` is 0,
    and `column` counts the values before it.
    """

    path: str
    line: int
    column: int
    key: str = ""

    def problem(self, message: str, code: TaxonomyCode) -> Problem:
        """A problem at this location."""
        return Problem(self.path, self.line, self.column, message, code, self.key)

    def warning(self, message: str, code: TaxonomyCode) -> Problem:
        """A warning about what is at this location."""
        return Problem(self.path, self.line, self.column, message, code, self.key, level="warning")

    @property
    def place(self) -> str:
        """Where it is in its file: "in line 3"."""
        return f"in line {self.line}" if self.line else f"under {self.key}"


@dataclass(frozen=True, slots=True)
class Example:
    """A few-shot example: a conversation, and the verdict that the model should give on it."""

    user: str
    assistant: str | None
    verdict: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One category. The model reads and writes its `id`; output calls it by its `label`: its key, if it has one.

    With `detail: names` the model reads only its name and examples, and with `detail: full` also its description and
    what a model should not, can and should do. It is asked about messages of one `role` only, if it has one, and of
    records that have what it `needs` beside their messages. `location` is where it was defined last, and `own_fields`
    are the names of the fields that are given there; the others are inherited.
    """

    id: str
    name: str
    key: str | None = None
    description: str | None = None
    should_not: tuple[str, ...] = ()
    can: tuple[str, ...] = ()
    should: tuple[str, ...] = ()
    threshold: float | None = None
    role: Speaker | None = None
    needs: Need | None = None
    examples: tuple[Example, ...] = ()
    location: Location = field(compare=False)
    own_fields: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def label(self) -> str:
        return self.key or self.id


@dataclass(frozen=True, slots=True)
class Wording:
    """Another name of a category, and perhaps the description that goes with it."""

    name: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyTestMessage:
    """A message of a test's conversation."""

    role: Speaker
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTest:
    """A conversation and the verdict expected of its last message; `categories` are ids, even where keys are given."""

    name: str
    messages: tuple[PolicyTestMessage, ...]
    expect: Label
    categories: tuple[str, ...]
    todo: bool
    location: Location = field(compare=False)
