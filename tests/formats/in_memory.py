"""Read records from bytes in memory, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO, RawIOBase
from typing import Any

from guardcli.conversation import Conversation, Malformed, Message, Record, Role
from guardcli.formats import ReadOptions, ReadReport, StreamPart


def read(
    stream: Any, part: StreamPart | str = "in", report: ReadReport | None = None, **options: Any
) -> Iterator[Record | Malformed]:
    """Read a stream with `ReadOptions` of these values."""
    part = StreamPart(part) if isinstance(part, str) else part
    return ReadOptions(**options).read_stream(stream, part, report=report)


def read_all(content: bytes, **options: Any) -> list[Record | Malformed]:
    """Read bytes; `start` is a line, and `report` a `ReadReport`."""
    return list(read(BytesIO(content), StreamPart("in", options.pop("start", 1)), **options))


def read_texts(content: bytes, **options: Any) -> list[tuple[int, str | None, Any]]:
    """Return the line, the part, and the messages of each record, or the reason why it is malformed."""
    return [(row.key.line, row.key.part, _texts(row)) for row in read_all(content, **options)]


def conversation(*messages: tuple[Role, str]) -> Conversation:
    return Conversation(tuple(Message(role, text) for role, text in messages))


def _texts(row: Record | Malformed) -> Any:
    if isinstance(row, Malformed):
        return row.reason
    return [(message.role, message.content) for message in row.conversation.messages]


class Chunks(RawIOBase):
    """A stream that returns these chunks, one a read, as a pipe may."""

    def __init__(self, chunks: Sequence[bytes] | Iterator[bytes]) -> None:
        self._chunks = iter(chunks)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return next((chunk for chunk in self._chunks if chunk), b"")


class Pipe(BytesIO):
    """A stream that is not seekable."""

    def seekable(self) -> bool:
        return False
