"""What the stages before the formats hand on: lines, the bytes of one record, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class RawLine(NamedTuple):
    """One line without its end; `whole` is false where only the first bytes of a longer line are here. `end` is the
    line break behind it, none at the end of a file."""

    number: int
    content: bytes
    whole: bool = True
    end: bytes = b""


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes of one record, and the line on which it begins. `raw` are those of the source, with the line break;
    `before` what stood in front and belongs to no record."""

    line: int
    content: bytes
    raw: bytes = field(default=b"", compare=False)
    before: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A record that cannot be had, the line on which it begins, and why."""

    line: int
    reason: str
    before: bytes = field(default=b"", compare=False)
