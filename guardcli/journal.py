"""A run on disk that can be resumed: an output that grows by whole lines, and beside it a journal of how far it got.

The journal holds what the run is made of (`manifest`), then a line at the beginning and at the end of each block. Only
whole blocks count: what stands in the output behind the last one is cut off when the run is resumed, and made again, to
the same bytes if the blocks are. It knows nothing of what the lines mean.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from guardcli.errors import OutputError

SUFFIX = ".journal"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a block ends: lines and bytes of the output, where the input goes on (which source, from which line), and
    how many of its records are to be taken alone."""

    rows: int = 0
    size: int = 0
    source: int = 0
    line: int = 1
    alone: int = 0


class Journal:
    """An output and its journal, held by one run at a time. Use it as a context manager.

    `mark` is where to go on, `begun` how often the block there was begun before, `finished` whether nothing is left.
    """

    def __init__(self, output: Path, manifest: Mapping[str, Any]) -> None:
        """Begin a run, or take it up again.

        Raises:
            OutputError: the output cannot be written, belongs to a run of something else (with the difference), is held
                by another run, or was changed.
        """
        self.path = output
        self.mark, self.begun, self.finished = Mark(), 0, False
        self._open_files: list[BinaryIO] = []
        try:
            self._output = self._opened(output)
            self._journal = self._opened(output.with_name(output.name + SUFFIX))
            self._take_up(json.loads(json.dumps(manifest)))
        except OSError as error:
            self.close()
            raise OutputError(f"cannot write {error.filename or output}: {error.strerror}") from error
        except OutputError:
            self.close()
            raise

    def begin(self) -> None:
        """A block begins."""
        self._note({"begin": self.mark.rows})

    def write(self, line: str) -> None:
        """Append one line of the block. Raises OutputError: the disk is full, for one; what was written stands."""
        self._append(self._output, f"{line}\n".encode())

    def end(self, mark: Mark) -> None:
        """The block is whole: its lines are on the disk before the journal says so."""
        self._sync(self._output)
        self.mark = mark
        self._note({"mark": asdict(mark)})

    def finish(self) -> None:
        """All is done."""
        self._note({"finished": True})
        self._sync(self._journal)
        self.finished = True

    @property
    def size(self) -> int:
        """Bytes of the output."""
        return self._output.tell()

    def close(self) -> None:
        """Let go of the output."""
        for file in self._open_files:
            file.close()  # and with it the lock
        self._open_files.clear()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, path: Path) -> BinaryIO:
        file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)  # noqa: SIM115
        self._open_files.append(file)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{self.path} is being written by another run") from None
        return file

    def _take_up(self, manifest: dict[str, Any]) -> None:
        size = os.fstat(self._output.fileno()).st_size
        entries = list(_entries(self._journal))
        if not entries:
            if size:
                raise OutputError(
                    f"{self.path} is there already, and no journal says of which run: choose another name"
                )
            self._note({"manifest": manifest})
            return
        before = entries[0].get("manifest")
        if before != manifest:
            raise OutputError(f"{self.path} is of another run: {_difference(before, manifest)}; choose another name")
        for entry in entries[1:]:
            if "mark" in entry:
                self.mark, self.begun = Mark(**entry["mark"]), 0
            self.begun += "begin" in entry
            self.finished = self.finished or "finished" in entry
        if size < self.mark.size:
            raise OutputError(f"{self.path} is shorter than its journal says: it was changed, and cannot be resumed")
        self._output.truncate(self.mark.size)
        self._output.seek(self.mark.size)

    def _note(self, entry: dict[str, Any]) -> None:
        self._append(self._journal, f"{json.dumps(entry)}\n".encode())

    def _append(self, file: BinaryIO, data: bytes) -> None:
        """Write all of it, or, where that fails, nothing: half a line is taken back."""
        before = file.tell()
        view = memoryview(data)
        try:
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            file.truncate(before)
            file.seek(before)
            raise OutputError(f"cannot write {self.path}: {error.strerror}; what was written stands") from error

    def _sync(self, file: BinaryIO) -> None:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}; what was written stands") from error


def read_manifest(output: Path) -> tuple[dict[str, Any], bool]:
    """What an output was made of, and whether it is finished.

    Raises:
        OutputError: there is no journal, or the output is not as long as it says.
    """
    path = output.with_name(output.name + SUFFIX)
    try:
        with path.open("rb") as file:
            entries = list(_entries(file))
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror}") from error
    if not entries or "manifest" not in entries[0]:
        raise OutputError(f"{path} is no journal")
    finished = any("finished" in entry for entry in entries)
    sizes = [entry["mark"]["size"] for entry in entries if "mark" in entry]
    if finished and (output.stat().st_size if output.exists() else -1) != (sizes[-1] if sizes else 0):
        raise OutputError(f"{output} is not as long as its journal says: it was changed")
    return entries[0]["manifest"], finished


def _entries(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal; the file is cut behind them, if it can be written, and stands at its end."""
    content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content) and file.writable():
        file.truncate(len(whole))
        file.seek(len(whole))
    for line in whole.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # a block of zeros, as some file systems leave after a power cut
        if isinstance(entry, dict):
            yield entry


def _difference(before: Any, after: Any, place: str = "") -> str:
    """Where two manifests first differ, in words."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            if before.get(name) != after.get(name):
                return _difference(before.get(name), after.get(name), f"{place}.{name}".removeprefix("."))
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            if one != other:
                return _difference(one, other, f"{place}[{at}]")
    return (
        f"{place or 'it'} was {json.dumps(before, ensure_ascii=False)} and is {json.dumps(after, ensure_ascii=False)}"
    )
