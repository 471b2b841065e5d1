"""Write a file whole or not at all: into a temporary file beside it, which then takes its place."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from guardcli.errors import OutputError

# The folder cannot be changed, or the file is mounted by itself, as in a container: it can only be written in place.
_IN_PLACE = (errno.EACCES, errno.EBUSY, errno.EPERM, errno.EROFS)


@contextlib.contextmanager
def replacing(path: Path, *, new: bool = False) -> Iterator[Path]:
    """A path to write to; at the end, unless something is raised, what was written there takes the place of `path`.

    ::

        with replacing(Path("report.html")) as place:
            place.write_text(page)

    Until then the old file is whole. Its permissions are kept; where `path` is a link, what it leads to is replaced.
    What is no regular file, such as a FIFO or /dev/stdout, is written directly.

    Args:
        new: Refuse a file that is there already.

    Raises:
        OutputError: it cannot be written, or is there already.
    """
    temporary: Path | None = None
    try:
        old = _status(path)
        if new and os.path.lexists(path) and (old is None or _replaceable(old)):
            raise _exists(path)
        target = Path(os.path.realpath(path))
        temporary = _temporary(target, old) if old is None or _is_at(target, old) else None
        yield temporary or path
        if temporary is not None:
            _move(temporary, target, new=new)
            temporary = None
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _temporary(target: Path, old: os.stat_result | None) -> Path | None:
    """An empty file beside the target, with the permissions of the old one; None if it must be written in place."""
    if old is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    path = target.with_name(f".guard-{secrets.token_hex(8)}.tmp")
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if old is None else 0o600)
    except OSError as error:
        if old is not None and error.errno in _IN_PLACE:
            return None
        raise
    try:
        if old is not None:
            with contextlib.suppress(OSError):  # somebody else's file becomes one's own, as with any editor
                os.fchown(file, old.st_uid, old.st_gid)
            os.fchmod(file, stat.S_IMODE(old.st_mode))
    except OSError:  # a file system without permissions
        path.unlink()
        return None
    finally:
        os.close(file)
    return path


def _move(temporary: Path, target: Path, *, new: bool) -> None:
    if new:
        try:
            os.link(temporary, target)  # unlike a rename, it fails where something is there by now
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
        if error.errno not in _IN_PLACE:
            raise
        shutil.copyfile(temporary, target)
        temporary.unlink()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_at(target: Path, status: os.stat_result) -> bool:
    """Whether a regular file has that path: /dev/fd/3 may lead to one that has none any more."""
    there = _status(target)
    return stat.S_ISREG(status.st_mode) and there is not None and os.path.samestat(there, status)


def _replaceable(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def _exists(path: Path) -> OutputError:
    return OutputError(f"{path} is there already: choose another name")
