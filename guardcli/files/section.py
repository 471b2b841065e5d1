"""A range of the bytes of a file, read as a file of its own."""

from __future__ import annotations

import io
from typing import Any, BinaryIO


class FileSection(io.RawIOBase):
    """Bytes `begin` to `end` of an open file."""

    def __init__(self, file: BinaryIO, begin: int, end: int) -> None:
        super().__init__()
        self._file, self._left = file, end - begin
        file.seek(begin)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)
