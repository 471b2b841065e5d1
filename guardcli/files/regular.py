"""Open regular files only: reading a FIFO may block forever, and a device such as /dev/zero never ends."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

IRREGULAR = "not a regular file"


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read bytes; links are followed.

    Raises:
        OSError: It cannot be opened, or is a FIFO, a device, a socket or a directory.
        ValueError: The path has a null byte.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise _irregular(path) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _irregular(path, mode)
    return os.fdopen(descriptor, "rb")


def stat_regular(path: str | Path) -> os.stat_result:
    """Return the status of a file. Raises OSError if it does not exist, or is not a regular file."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise _irregular(path, status.st_mode)
    return status


def _irregular(path: str | Path, mode: int = 0) -> OSError:
    if stat.S_ISDIR(mode):
        return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return OSError(errno.EINVAL, IRREGULAR, str(path))
