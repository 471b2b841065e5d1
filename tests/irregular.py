"""Files that are not regular ones: what reads a file may not wait for one, nor read one without end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path


def _link(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def _link_to_fifo(path: Path) -> None:
    fifo = path.with_name("fifo")
    os.mkfifo(fifo)
    path.symlink_to(fifo)


def _socket(path: Path) -> None:
    """Bound by a short name: the path of a socket has 108 bytes at most."""
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{folder}/{path.name}" if Path("/proc/self/fd").exists() else str(path))
    os.close(folder)


IRREGULAR: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "directory": Path.mkdir,
    "socket": _socket,
    "link to /dev/zero": _link("/dev/zero"),
    "link to /dev/null": _link("/dev/null"),
    "link to /dev/tty": _link("/dev/ptmx"),
    "link to a FIFO": _link_to_fifo,
}
