"""Frames: the bytes of one line or one record, cut out of a stream before anything in them is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class RawLine(NamedTuple):
    """One line, without its line break.

    `whole` is false if the line is too long and `content` is only its beginning. `end` is the line break, which the
    last line of a file may lack.
    """

    number: int
    content: bytes
    whole: bool = True
    end: bytes = b""


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes of one record, and the line on which it begins.

    `content` is to be decoded. `raw` has the bytes as they are in the input, with the line break; it is empty where a
    line holds several records. `before` has the bytes in front that belong to no record, such as blank lines.
    """

    line: int
    content: bytes
    raw: bytes = field(default=b"", compare=False)
    before: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A record that could not be framed: the line on which it begins, and what is wrong with it."""

    line: int
    reason: str
    before: bytes = field(default=b"", compare=False)
