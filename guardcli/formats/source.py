"""From a path to pieces of UTF-8 bytes: files are opened, gzip is unpacked, what is no text is refused.

It never waits for more than the next piece, so that a live pipe is read as it is written, and it knows
neither lines nor records.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import BinaryIO

from guardcli.errors import InputError
from guardcli.formats import magic
from guardcli.formats.errors import StreamError

READ_SIZE = 1 << 16


def open_source(path: str) -> BinaryIO:
    """The bytes of a file, or of standard input for "-".

    Raises:
        InputError: it cannot be opened.
    """
    if path == "-":
        return _stdin()
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a directory; name the files in it") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise InputError(f"{path!r}: cannot be opened: {error}") from error


def _stdin() -> BinaryIO:
    """Standard input past Python's own buffer: a thread that waits in that one when the process ends (on Ctrl-C)
    would make the interpreter abort."""
    if sys.stdin is None:
        raise InputError("standard input is closed")
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


def iter_utf8(stream: BinaryIO) -> Iterator[bytes]:
    """The stream's text in pieces, unpacked.

    Raises:
        StreamError: it is no UTF-8 text, broken gzip, or cannot be read any further; all that could be read has
            been yielded.
    """
    pieces = iter_raw(stream)
    head = _read_head(pieces)
    for prefix, unpack in _UNPACK.items():
        if head.startswith(prefix):
            pieces = unpack(chain([head], pieces))
            head = _read_head(pieces)
            break
    magic.reject_non_text(head)
    yield head
    yield from pieces


def iter_raw(stream: BinaryIO) -> Iterator[bytes]:
    """The stream's bytes in pieces, as they are. Raises StreamError: it cannot be read any further."""
    # read(n) of a buffered pipe waits for n bytes, read1 returns what is there; raw streams need no read1.
    take: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    while True:
        try:
            piece = take(READ_SIZE)
        except OSError as error:
            raise StreamError(f"cannot be read any further: {error.strerror}") from error
        if not piece:
            return
        yield piece


def _read_head(pieces: Iterator[bytes]) -> bytes:
    """Enough of the beginning to know what it is; a short first line must not wait for the next."""
    head = b""
    while len(head) < magic.HEAD_SIZE and (b"\n" not in head or b"\0" in head):
        piece = next(pieces, b"")
        if not piece:
            break
        head += piece
    return head


def _gunzip(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack one or more gzip members; `gzip.GzipFile` would wait for whole blocks of a live pipe."""
    member = None
    for piece in packed:
        while piece:
            if member is None:
                piece = piece.lstrip(b"\0")  # gzip allows NUL padding after a member
                member = zlib.decompressobj(wbits=31) if piece else None
                continue
            yield from _inflate(member, piece)
            piece = member.unused_data
            member = None if member.eof else member
    if member is not None:
        raise StreamError("the gzip data is cut off here; what it held of this record and after it is lost")


def _inflate(member: zlib._Decompress, packed: bytes) -> Iterator[bytes]:
    """Unpack in bounded pieces: a few packed bytes may hold gigabytes."""
    while True:
        try:
            piece = member.decompress(packed, READ_SIZE)
        except zlib.error as error:
            raise StreamError(f"the gzip data is corrupt here ({error}); what follows is lost") from error
        if piece:
            yield piece
        packed = member.unconsumed_tail
        if not packed and len(piece) < READ_SIZE:
            return


def _unzstd(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack Zstandard, frame after frame, from so few bytes at a time that what they hold is bounded."""
    try:
        import zstandard
    except ImportError as error:
        raise StreamError(f"this is Zstandard: {_ZSTD_HINT}") from error
    frame = None
    for piece in packed:
        for at in range(0, len(piece), _ZSTD_FEED_SIZE):
            part = piece[at : at + _ZSTD_FEED_SIZE]
            while part:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                try:
                    unpacked = frame.decompress(part)
                except zstandard.ZstdError as error:
                    raise StreamError(f"the Zstandard data is corrupt here ({error}); what follows is lost") from error
                if unpacked:
                    yield unpacked
                part = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    if frame is not None:
        raise StreamError("the Zstandard data is cut off here; what it held of this record and after it is lost")


_ZSTD_FEED_SIZE = 256  # packed bytes at a time: three of them can hold 128 KB
_ZSTD_HINT = "install it with pip install zstandard, or unpack the file with `zstd -dc`"
_UNPACK = {magic.GZIP: _gunzip, magic.ZSTD: _unzstd}
