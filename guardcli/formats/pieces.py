"""What the stages before the formats hand on: lines, the bytes of one record, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; `whole` is false where only the first bytes of a longer line are here."""

    number: int
    content: bytes
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bytes of one record, and the line on which it begins."""

    line: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that cannot be had, the line on which it begins, and why."""

    line: int
    reason: str
