"""The inputs of a run: known by their digests between runs, and by their status within one."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field

from guardcli.errors import InputError
from guardcli.formats import signatures

_PIECE = 1 << 20
_PACKED = (signatures.GZIP, signatures.ZSTD, signatures.PARQUET)


@dataclass(frozen=True, slots=True)
class Status:
    """What changes when a file is written to or replaced."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def from_stat(cls, status: os.stat_result) -> Status:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Source:
    """An input file: its path as given, its size and digest, its status when it was hashed, and whether it is packed,
    so that its records take fewer bytes than their text."""

    path: str
    size: int
    sha256: str
    status: Status | None = field(default=None, repr=False, compare=False)
    packed: bool = field(default=False, repr=False, compare=False)

    @classmethod
    def from_path(cls, path: str) -> Source:
        """Hash a file.

        Raises:
            InputError: it cannot be read, or is written to.
        """
        digest = hashlib.sha256()
        try:
            with open(path, "rb", buffering=0) as file:
                before = Status.from_stat(os.fstat(file.fileno()))
                head = file.read(_PIECE)
                digest.update(head)
                while piece := file.read(_PIECE):
                    digest.update(piece)
                source = cls(path, file.tell(), digest.hexdigest(), before, head.startswith(_PACKED))
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        source.check_unchanged()
        return source

    def as_json(self) -> dict[str, str | int]:
        """What of it stands in a manifest."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256}

    def check_unchanged(self) -> None:
        """Raise InputError: the file was written to, replaced or removed since it was hashed."""
        try:
            status = Status.from_stat(os.stat(self.path))
        except OSError as error:
            raise InputError(
                f"{self.path} became unreadable during the run: {error.strerror}; the rows of finished blocks are valid"
            ) from error
        if self.status is not None and status != self.status:
            raise InputError(f"{self.path} changed during the run; the rows of finished blocks are valid")
