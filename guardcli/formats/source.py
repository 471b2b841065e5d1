"""Open an input and read its bytes in chunks: decompress gzip and Zstandard, and reject what is not UTF-8 text.

Nothing here waits for more than the next chunk, so that a live pipe is read as it is written.
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
    """Open a file, or standard input for "-".

    Raises:
        InputError: The file cannot be opened.
    """
    if path == "-":
        return _stdin()
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file", code="input/not-found") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a directory; name the files in it", code="input/not-regular") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied", code="input/unreadable") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise InputError(f"{path!r}: cannot be opened: {error}", code="input/unreadable") from error


def _stdin() -> BinaryIO:
    """Open standard input without Python's buffer.

    If a thread waits in that buffer when the process ends, as on Ctrl-C, the interpreter aborts.
    """
    if sys.stdin is None:
        raise InputError("standard input is closed", code="input/unreadable")
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


def iter_utf8(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the stream's text in chunks, decompressed.

    Raises:
        StreamError: The stream is not UTF-8 text, is corrupt, or cannot be read any further. Everything before that
            has been yielded.
    """
    chunks = iter_raw(stream)
    head = _read_head(chunks)
    for prefix, decompress in _DECOMPRESSORS.items():
        if head.startswith(prefix):
            chunks = decompress(chain([head], chunks))
            head = _read_head(chunks)
            break
    magic.reject_non_text(head)
    yield head
    yield from chunks


def iter_raw(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the stream's bytes in chunks, unchanged.

    Raises:
        StreamError: The stream cannot be read any further.
    """
    # read(n) of a buffered pipe waits for n bytes; read1 returns what is there. Raw streams need no read1.
    read_some: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    while True:
        try:
            chunk = read_some(READ_SIZE)
        except OSError as error:
            raise StreamError(f"cannot be read any further: {error.strerror}", code="input/unreadable") from error
        if not chunk:
            return
        yield chunk


def _read_head(chunks: Iterator[bytes]) -> bytes:
    """Read enough bytes for `reject_non_text`. A complete first line is enough: it must not wait for the next."""
    head = b""
    while len(head) < magic.HEAD_SIZE and (b"\n" not in head or b"\0" in head):
        chunk = next(chunks, b"")
        if not chunk:
            break
        head += chunk
    return head


def _gunzip(compressed: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress one or more gzip members. `gzip.GzipFile` would wait for whole blocks of a live pipe."""
    member = None
    for chunk in compressed:
        while chunk:
            if member is None:
                chunk = chunk.lstrip(b"\0")  # gzip allows NUL padding after a member
                member = zlib.decompressobj(wbits=31) if chunk else None
                continue
            yield from _inflate(member, chunk)
            chunk = member.unused_data
            member = None if member.eof else member
    if member is not None:
        raise StreamError(
            "the gzip data is cut off here; this record and everything after it are lost", code="input/damaged"
        )


def _inflate(member: zlib._Decompress, compressed: bytes) -> Iterator[bytes]:
    """Decompress in chunks of bounded size: a few compressed bytes may hold gigabytes."""
    while True:
        try:
            chunk = member.decompress(compressed, READ_SIZE)
        except zlib.error as error:
            raise StreamError(
                f"the gzip data is corrupt here ({error}); the rest of the file is lost", code="input/damaged"
            ) from error
        if chunk:
            yield chunk
        compressed = member.unconsumed_tail
        if not compressed and len(chunk) < READ_SIZE:
            return


def _unzstd(compressed: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress Zstandard frames, from few bytes at a time, so that the size of the result is bounded."""
    try:
        import zstandard
    except ImportError as error:
        raise StreamError(f"this is Zstandard: {_ZSTD_HINT}", code="system/library-missing") from error
    frame = None
    for chunk in compressed:
        for start in range(0, len(chunk), _ZSTD_FEED_SIZE):
            part = chunk[start : start + _ZSTD_FEED_SIZE]
            while part:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                try:
                    text = frame.decompress(part)
                except zstandard.ZstdError as error:
                    raise StreamError(
                        f"the Zstandard data is corrupt here ({error}); the rest of the file is lost",
                        code="input/damaged",
                    ) from error
                if text:
                    yield text
                part = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    if frame is not None:
        raise StreamError(
            "the Zstandard data is cut off here; this record and everything after it are lost", code="input/damaged"
        )


_ZSTD_FEED_SIZE = 256  # compressed bytes at a time: three of them can hold 128 KB
_ZSTD_HINT = "install it with pip install zstandard, or unpack the file with `zstd -dc`"
_DECOMPRESSORS = {magic.GZIP: _gunzip, magic.ZSTD: _unzstd}
