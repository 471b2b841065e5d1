"""The inputs of a run: known by their digests between runs, and by their status within one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from types import TracebackType

from guardcli.errors import InputError
from guardcli.formats import magic

UNIT_BYTES = 4 << 20

_PIECE = 1 << 20
_PACKED = (magic.GZIP, magic.ZSTD, magic.PARQUET)


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What changes when a file is written to or replaced."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def from_stat(cls, status: os.stat_result) -> FileStatus:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Source:
    """An input file: its path as given, its size and digest, and its status when it was hashed.

    `packed` says that its records take fewer bytes than their text. `cuts` are offsets behind line breaks, each with
    the number of the line that begins there.
    """

    path: str
    size: int
    sha256: str
    status: FileStatus | None = field(default=None, repr=False, compare=False)
    packed: bool = field(default=False, repr=False, compare=False)
    cuts: tuple[tuple[int, int], ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def from_path(
        cls, path: str, unit_bytes: int = UNIT_BYTES, *, on_read: Callable[[int], None] = lambda count: None
    ) -> Source:
        """Hash a file, and find where it could be cut into units of at least so many bytes.

        `on_read` is called with the number of bytes of each piece.

        Raises:
            InputError: it cannot be read, or is written to.
        """
        cutter = UnitCutter(unit_bytes)
        packed = False
        try:
            with open(path, "rb", buffering=0) as file, _Hasher() as digest:
                before = FileStatus.from_stat(os.fstat(file.fileno()))
                while piece := file.read(_PIECE):
                    packed = packed or (not cutter.offset and piece.startswith(_PACKED))
                    digest.update(piece)
                    cutter.feed(piece)
                    on_read(len(piece))
                source = cls(path, cutter.offset, digest.hexdigest(), before, packed, cutter.cuts())
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}", code="input/unreadable") from error
        source.check_unchanged()
        return source

    def as_json(self) -> dict[str, str | int]:
        """The part of it that is in a manifest."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256}

    def check_unchanged(self) -> None:
        """Raise InputError: the file was written to, replaced or removed since it was hashed."""
        try:
            status = FileStatus.from_stat(os.stat(self.path))
        except OSError as error:
            raise InputError(
                f"{self.path} became unreadable during the run: {error.strerror}; "
                "the rows of finished blocks are valid",
                code="run/input-changed",
            ) from error
        if self.status is not None and status != self.status:
            raise InputError(
                f"{self.path} changed during the run; the rows of finished blocks are valid", code="run/input-changed"
            )


def read_sources(
    paths: Sequence[str],
    unit_bytes: int = UNIT_BYTES,
    *,
    on_read: Callable[[int], None] = lambda count: None,
    threads: int = 1,
) -> list[Source]:
    """Hash and cut several files at a time, as `Source.from_path` does.

    hashlib works without the interpreter's lock, so threads are enough.

    Raises:
        InputError: one cannot be read, or is written to: the first of them.
    """
    lock, stopped = Lock(), Event()

    def count(number: int) -> None:
        if stopped.is_set():
            raise CancelledError
        with lock:
            on_read(number)

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(Source.from_path, path, unit_bytes, on_read=count) for path in paths]
        try:
            return [future.result() for future in futures]
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


class _Hasher:
    """SHA-256 of bytes that come in pieces; but for the first one, each is hashed while the next one is read."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None
        self._first = True

    def update(self, piece: bytes) -> None:
        if self._first:
            self._digest.update(piece)
            self._first = False
            return
        self._wait()
        self._last = self._pool.submit(self._digest.update, piece)

    def hexdigest(self) -> str:
        self._wait()
        return self._digest.hexdigest()

    def __enter__(self) -> _Hasher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()


class UnitCutter:
    """Finds the ends of lines at which a unit reaches its size, in a file that comes in pieces."""

    def __init__(self, unit_bytes: int) -> None:
        self.offset = 0
        self._unit_bytes = self._due = unit_bytes
        self._line = 1
        self._cuts: list[tuple[int, int]] = []

    def feed(self, piece: bytes) -> None:
        counted = 0
        while (at := piece.find(b"\n", max(0, self._due - 1 - self.offset))) >= 0:
            self._line += piece.count(b"\n", counted, at + 1)
            counted = at + 1
            self._cuts.append((self.offset + counted, self._line))
            self._due = self.offset + counted + self._unit_bytes
        self._line += piece.count(b"\n", counted)
        self.offset += len(piece)

    def cuts(self) -> tuple[tuple[int, int], ...]:
        """The cuts with something behind them."""
        return tuple(cut for cut in self._cuts if cut[0] < self.offset)
