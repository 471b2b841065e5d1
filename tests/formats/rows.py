"""Reading in one line, for the tests of this folder: bytes in, the list of records out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO, RawIOBase
from typing import Any

from guardcli.conversation import Conversation, Malformed, Message, Record, Role
from guardcli.formats import read


def rows(content: bytes, **options: Any) -> list[Record | Malformed]:
    return list(read(BytesIO(content), "in", **options))


def told(content: bytes, **options: Any) -> list[tuple[int, str | None, Any]]:
    """Line, part, and what was said (or the reason why that is not known), of every row."""
    return [(row.key.line, row.key.part, _heard(row)) for row in rows(content, **options)]


def said(*messages: tuple[Role, str]) -> Conversation:
    return Conversation(tuple(Message(role, text) for role, text in messages))


def _heard(row: Record | Malformed) -> Any:
    if isinstance(row, Malformed):
        return row.reason
    return [(message.role, message.content) for message in row.conversation.messages]


class Pieces(RawIOBase):
    """A stream that delivers these pieces, one a read, as a pipe may."""

    def __init__(self, pieces: Sequence[bytes] | Iterator[bytes]) -> None:
        self._pieces = iter(pieces)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return next((piece for piece in self._pieces if piece), b"")


class Pipe(BytesIO):
    """What cannot be sought in."""

    def seekable(self) -> bool:
        return False
