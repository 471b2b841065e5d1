"""An output that grows by whole lines, and beside it the journal of how far it got.

::

    verdicts.jsonl            rows; those after the last checkpoint are cut off when the run is resumed
    verdicts.jsonl.journal    manifest, then the beginning and the checkpoint of each block
    verdicts.jsonl.fault      what faulthandler wrote when the process died of a fault; gone after a clean end

All three are checked completely before anything is cut or written.
"""

from __future__ import annotations

import copy
import faulthandler
import fcntl
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from guardcli.audit.journal.entries import (
    Begin,
    Checkpoint,
    CorruptJournal,
    Died,
    DigestChain,
    Ended,
    Entry,
    Finished,
    Isolated,
    Manifest,
    OldJournal,
    PoisonRecord,
    decode,
)
from guardcli.audit.journal.state import JournalState, replay
from guardcli.errors import OutputError

SUFFIX = ".journal"
FAULT_SUFFIX = ".fault"

_FAULT_HEAD = b"Fatal Python error: "
_FAULT_BYTES = 1 << 16  # of a trace that are read
_PIECE = 1 << 20
_MOST_JOURNAL = 1 << 30  # bytes


class ManifestMismatchError(OutputError):
    """An output belongs to a run with another manifest."""

    def __init__(self, path: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        super().__init__(f"{path} belongs to another run; choose another name", code="run/other-run")
        self.path, self.before, self.after = path, before, after


def files_of(output: Path) -> tuple[Path, Path, Path]:
    """An output, its journal, and the trace of a fault."""
    return output, output.with_name(output.name + SUFFIX), output.with_name(output.name + FAULT_SUFFIX)


class Journal:
    """An output and its journal, locked by one run at a time. Use it as a context manager: what leaves it as an
    exception is noted as a clean end of the open block.

    >>> with Journal(Path("out.jsonl"), {"model": "a"}) as journal:
    ...     journal.begin()
    ...     journal.write("a row")
    ...     journal.commit(records=1, unit=0, line=2)
    ...     journal.finish()
    """

    def __init__(self, output: Path, manifest: Mapping[str, Any]) -> None:
        """Begin a run, or resume it: then `resumed` is true.

        Raises:
            OutputError: the output cannot be written, is locked by another run, or was changed; or the journal is no
                journal, or was changed.
            ManifestMismatchError: the output belongs to a run with another manifest.
        """
        self.path, self._journal_path, self._fault_path = files_of(output)
        self._files: list[BinaryIO] = []
        self._chain = DigestChain()
        self._hash = hashlib.sha256()
        self._watches = False
        self.resumed = False
        try:
            self._open(Manifest(json.loads(json.dumps(manifest))))
        except OSError as error:
            self.close()
            raise OutputError(
                f"cannot write {error.filename or output}: {error.strerror}", code="output/not-written"
            ) from error
        except OutputError:
            self.close()
            raise

    @property
    def state(self) -> JournalState:
        """How far the run is."""
        return self._state

    @property
    def checkpoint(self) -> Checkpoint:
        """The end of the last block that is committed."""
        return self._state.checkpoint

    def begin(self) -> None:
        """Begin a block. Raises OutputError."""
        self._note(Begin(self.checkpoint.rows))
        self._rows = self.checkpoint.rows

    def write(self, line: str) -> None:
        """Append a line of the open block. Raises OutputError: the disk is full, for one."""
        self.write_bytes(f"{line}\n".encode())

    def write_bytes(self, data: bytes) -> None:
        """Append bytes of the open block, in which each line ends with a line break. Raises OutputError."""
        self._append(self._output, data)
        self._hash.update(data)
        self._rows += data.count(b"\n")

    def commit(
        self, *, records: int, unit: int, line: int, unsafe: int = 0, errors: int = 0, position: int = 0
    ) -> None:
        """Commit the open block of so many records: its rows are on the disk before the journal says so. The next
        block begins at a line of a unit, near a position of the inputs. Raises OutputError."""
        self._sync(self._output)
        before = self.checkpoint
        self._note(
            Checkpoint(
                rows=self._rows,
                records=before.records + records,
                unsafe=before.unsafe + unsafe,
                errors=before.errors + errors,
                size=self._output.tell(),
                unit=unit,
                line=line,
                position=position,
                digest=self._hash.hexdigest(),
            )
        )

    def add_poison_record(self, record: PoisonRecord) -> None:
        """Note a record of the next block that crashes the process."""
        self._note(record)

    def end_isolation(self) -> None:
        """Note that all records of the next block were tried."""
        self._note(Isolated())

    def finish(self) -> None:
        """Note that the run is finished."""
        self._note(Finished(self.checkpoint.rows))
        self._sync(self._journal)

    def watch_faults(self) -> None:
        """Have faults of this process, such as SIGSEGV, leave a trace beside the journal until it is closed."""
        file = self._opened(self._fault_path, follow=False, lock=False)
        faulthandler.enable(file, all_threads=False)
        self._watches = True

    def close(self) -> None:
        """Release the output."""
        if self._watches:
            faulthandler.disable()
            if sys.flags.dev_mode or os.environ.get("PYTHONFAULTHANDLER"):
                faulthandler.enable()
            self._fault_path.unlink(missing_ok=True)
            self._watches = False
        for file in self._files:
            file.close()  # which releases the lock
        self._files.clear()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None and error is not None and self._state.open:
                self._end(f"{kind.__name__}: {error}"[:200])
        finally:
            self.close()

    # opening

    def _open(self, manifest: Manifest) -> None:
        size, journal_size = _size(self.path, follow=True), _size(self._journal_path)
        if size and not journal_size:
            raise OutputError(
                f"{self.path} already exists and has no journal to resume from: choose another name",
                code="run/no-journal",
            )
        self._fault = _read_fault(self._fault_path)
        self._output = self._opened(self.path, follow=True)
        self._journal = self._opened(self._journal_path, follow=False)
        whole = self._replay(manifest)
        # All is checked: from here on, files are changed.
        if self._state.finished:
            return
        self._output.truncate(self.checkpoint.size)
        self._output.seek(self.checkpoint.size)
        self._journal.truncate(whole)
        self._journal.seek(whole)
        if not whole:
            self._append(self._journal, self._chain.encode(manifest))
        if self._state.open:
            self._note(Died(self._fault))
        if self._fault is not None:
            self._fault_path.unlink(missing_ok=True)

    def _replay(self, manifest: Manifest) -> int:
        """Read journal and output without a change to either; the bytes of the journal's whole lines."""
        content = _read_journal(self._journal, self._journal_path)
        whole = content.rfind(b"\n") + 1
        if not whole:
            self._check_new(content, manifest)
            self._state = JournalState(manifest)
            return 0
        state = _replayed(content[:whole], self._chain, self._journal_path)
        if state.manifest.content != manifest.content:
            raise ManifestMismatchError(self.path, state.manifest.content, manifest.content)
        self._hash = check_output(self._output, self.path, state)
        self._state, self.resumed = state, True
        return whole

    def _check_new(self, content: bytes, manifest: Manifest) -> None:
        """A run that died while it wrote its first line left a part of just that line."""
        if not DigestChain().encode(manifest).startswith(content):
            raise _no_journal(self._journal_path)
        if os.fstat(self._output.fileno()).st_size:
            raise OutputError(
                f"{self.path} already exists and has no journal to resume from: choose another name",
                code="run/no-journal",
            )

    def _opened(self, path: Path, *, follow: bool, lock: bool = True) -> BinaryIO:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
        file = open(os.open(path, flags, 0o644), "r+b", buffering=0)  # noqa: SIM115
        self._files.append(file)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OutputError(f"{path} is not a regular file", code="output/not-regular")
        if lock:
            _lock(file, self.path)
        return file

    # writing

    def _note(self, entry: Entry) -> None:
        chain = copy.copy(self._chain)
        state = self._state.after(entry)
        self._append(self._journal, chain.encode(entry))
        self._chain, self._state = chain, state

    def _end(self, reason: str) -> None:
        """Note a clean end. The rows of the open block go first: on a full disk they make room for the note."""
        try:
            self._output.truncate(self.checkpoint.size)
            self._note(Ended(reason))
        except (OSError, OutputError):
            pass  # then it counts as a death without a trace, which proves nothing

    def _append(self, file: BinaryIO, data: bytes) -> None:
        """Write all of it, or nothing."""
        before = file.tell()
        view = memoryview(data)
        try:
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            file.truncate(before)
            file.seek(before)
            raise self._cannot_write(error) from error

    def _sync(self, file: BinaryIO) -> None:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write {self.path}: {error.strerror}; the rows of finished blocks are valid",
            code="output/not-written",
        )


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What an output and its journal say of a run."""

    manifest: Mapping[str, Any]
    finished: bool
    rows: int


def read_state(output: Path) -> JournalState:
    """Read how far the journal of an output says that its run is; the output is not read, and nothing is changed.

    Raises:
        OutputError: there is no journal, or it was changed.
    """
    return _replayed(_lines_of_journal(output), DigestChain(), files_of(output)[1])


def read_checkpoints(output: Path) -> Iterator[Checkpoint]:
    """Read the checkpoints of all blocks that an output has, in their order.

    Raises:
        OutputError: there is no journal, or it was changed.
    """
    content = _lines_of_journal(output)
    _replayed(content, DigestChain(), files_of(output)[1])
    yield from (entry for entry in decode(content, DigestChain()) if isinstance(entry, Checkpoint))


def check_unlocked(output: Path) -> None:
    """Raise OutputError: another run is writing the output at this moment. Nothing is created or changed."""
    try:
        with open(os.open(files_of(output)[1], os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            _lock(file, output)
    except OSError:
        return  # there is none, or opening the journal tells what is wrong with it


def read_run(output: Path) -> RunStatus:
    """Check an output against its journal; nothing is changed.

    Raises:
        OutputError: there is no journal, or one of the two was changed.
    """
    state = read_state(output)
    if state.finished:
        try:
            with _open_to_read(output, follow=True) as file:
                check_output(file, output, state)
        except OSError as error:
            raise OutputError(f"cannot read {output}: {error.strerror}", code="input/unreadable") from error
    return RunStatus(state.manifest.content, state.finished, state.checkpoint.rows)


def peek_manifest(output: Path) -> Mapping[str, Any] | None:
    """The manifest in the first line of an output's journal; None if there is no such line. Opening the journal tells
    what is wrong with it."""
    try:
        with _open_to_read(files_of(output)[1]) as journal, open(journal.fileno(), "rb", closefd=False) as reader:
            line = reader.readline(_MOST_JOURNAL)
        (entry,) = decode(line, DigestChain())
    except (OSError, OutputError, ValueError):
        return None
    return entry.content if isinstance(entry, Manifest) else None


def check_output(file: BinaryIO, path: Path, state: JournalState) -> hashlib._Hash:
    """The running digest of an output up to the last checkpoint.

    Raises:
        OutputError: it was changed up to there, or behind the end of a finished run.
    """
    size, rest = os.fstat(file.fileno()).st_size, state.checkpoint.size
    digest = hashlib.sha256()
    file.seek(0)
    while rest and (piece := file.read(min(rest, _PIECE))):
        digest.update(piece)
        rest -= len(piece)
    if rest:
        raise OutputError(
            f"{path} is shorter than its journal says: it was changed and cannot be resumed or merged",
            code="run/output-changed",
        )
    if state.checkpoint.size and digest.hexdigest() != state.checkpoint.digest:
        raise OutputError(
            f"{path} does not match its journal: it was changed and cannot be resumed or merged",
            code="run/output-changed",
        )
    if state.finished and size > state.checkpoint.size:
        raise OutputError(
            f"{path} is longer than its journal says: it was changed and cannot be merged", code="run/output-changed"
        )
    return digest


def _lock(file: BinaryIO, output: Path) -> None:
    """Lock an open file until it is closed. Raises OutputError: another process has locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"{output} is being written by another run", code="run/in-use") from None


def _open_to_read(path: Path, *, follow: bool = False) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    file = open(descriptor, "rb", buffering=0)  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OutputError(f"{path} is not a regular file", code="output/not-regular")
    return file


def _lines_of_journal(output: Path) -> bytes:
    """The whole lines of an output's journal. Raises OutputError: there is none."""
    journal_path = files_of(output)[1]
    try:
        with _open_to_read(journal_path) as journal:
            content = _read_journal(journal, journal_path)
    except OSError as error:
        raise OutputError(
            f"{output}: cannot read its journal {journal_path}: {error.strerror}; expected a file that guard audit "
            "wrote",
            code="input/unreadable",
        ) from error
    return content[: content.rfind(b"\n") + 1]


def _read_journal(file: BinaryIO, path: Path) -> bytes:
    if os.fstat(file.fileno()).st_size > _MOST_JOURNAL:
        raise _no_journal(path)
    with open(file.fileno(), "rb", closefd=False) as reader:
        return reader.read()


def _replayed(content: bytes, chain: DigestChain, path: Path) -> JournalState:
    try:
        state = replay(decode(content, chain))
    except OldJournal:
        raise OutputError(
            f"{path} was started by guard 0.1; finish it with that version or choose another name",
            code="run/no-journal",
        ) from None
    except CorruptJournal as error:
        if content.startswith(b'{"digest":"'):
            raise OutputError(
                f"{path} was changed: {error}; it cannot be resumed or merged", code="run/output-changed"
            ) from None
        raise _no_journal(path) from None
    if state is None:
        raise _no_journal(path)
    return state


def _no_journal(path: Path) -> OutputError:
    return OutputError(f"{path} is not a journal of guard: move it, or choose another name", code="run/no-journal")


def _size(path: Path, *, follow: bool = False) -> int:
    """The size of a regular file; 0 if it does not exist. Raises OutputError: something else has its name."""
    try:
        status = path.stat() if follow else path.lstat()
    except FileNotFoundError:
        return 0
    if stat.S_ISLNK(status.st_mode):
        raise OutputError(f"{path} is a link: move it, or choose another name", code="output/not-regular")
    if not stat.S_ISREG(status.st_mode):
        raise OutputError(f"{path} is not a regular file", code="output/not-regular")
    return status.st_size


def _read_fault(path: Path) -> str | None:
    """The first line of a trace that faulthandler left; None without one. Raises OutputError: not such a trace."""
    if not _size(path):
        return None
    with _open_to_read(path) as file:
        head = file.read(_FAULT_BYTES)
    if not head.startswith(_FAULT_HEAD):
        raise OutputError(f"{path} is not a crash trace: move it, or choose another name", code="run/no-journal")
    return head.removeprefix(_FAULT_HEAD).split(b"\n")[0].decode("utf-8", "replace")
