"""Write a file atomically: into a temporary file in the same folder, which then replaces it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from guardcli.errors import OutputError

# The folder is read-only, or the file is a mount of its own as in a container: write it in place.
_IN_PLACE_ERRORS = (errno.EACCES, errno.EBUSY, errno.EPERM, errno.EROFS)
_PREFIX, _SUFFIX = ".guard-", ".tmp"
_STALE_AFTER = 3600  # seconds since a temporary file was last written to


@contextlib.contextmanager
def atomic_write(path: Path, *, exclusive: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces `path` when the block ends without an exception.

    ::

        with atomic_write(Path("report.html")) as temporary:
            temporary.write_text(page)

    The old file is complete until then, and its permissions are kept. If `path` is a symbolic link, its target is
    replaced. A FIFO or a device such as /dev/stdout is written directly: the yielded path is `path`.

    Args:
        exclusive: Raise OutputError if the file exists.

    Raises:
        OutputError: It cannot be written, or exists already.
    """
    temporary: Path | None = None
    try:
        old = _status(path)
        if exclusive and os.path.lexists(path) and (old is None or _replaceable(old)):
            raise _exists(path)
        target = Path(os.path.realpath(path))
        temporary = _temporary(target, old) if old is None or _is_at(target, old) else None
        yield temporary or path
        if temporary is not None:
            _move(temporary, target, exclusive=exclusive)
            temporary = None
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", code="output/not-written") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def remove_stale(folder: Path) -> None:
    """Remove the temporary files of `atomic_write` that processes left in a folder when they were killed.

    A file that was written to within the last hour is kept: it may be in use.
    """
    limit = time.time() - _STALE_AFTER
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):  # another process has removed it, or only that one may
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_mtime < limit:
                path.unlink()


def _temporary(target: Path, old: os.stat_result | None) -> Path | None:
    """Create an empty file beside the target with the old permissions; return None if it must be written in place."""
    if old is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    path = target.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if old is None else 0o600)
    except OSError as error:
        if old is not None and error.errno in _IN_PLACE_ERRORS:
            return None
        raise
    try:
        if old is not None:
            with contextlib.suppress(OSError):  # without the right to, the new file belongs to us, as with any editor
                os.fchown(file, old.st_uid, old.st_gid)
            os.fchmod(file, stat.S_IMODE(old.st_mode))
    except OSError:  # a file system without permissions
        path.unlink()
        return None
    finally:
        os.close(file)
    return path


def _move(temporary: Path, target: Path, *, exclusive: bool) -> None:
    if exclusive:
        try:
            os.link(temporary, target)  # unlike a rename, it fails if the target exists by now
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            os.rename(temporary, target)
        else:
            temporary.unlink()
        return
    try:
        os.replace(temporary, target)
    except OSError as error:
        if error.errno not in _IN_PLACE_ERRORS:
            raise
        shutil.copyfile(temporary, target)
        temporary.unlink()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_at(target: Path, status: os.stat_result) -> bool:
    """Return whether the path names that regular file: /dev/fd/3 may lead to one that was unlinked."""
    there = _status(target)
    return stat.S_ISREG(status.st_mode) and there is not None and os.path.samestat(there, status)


def _replaceable(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def _exists(path: Path) -> OutputError:
    return OutputError(f"{path} already exists: choose another name", code="output/exists")
