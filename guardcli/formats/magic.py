"""Magic numbers: recognize compressed, binary and wrongly encoded input by its first bytes."""

from __future__ import annotations

from collections import Counter

from guardcli.formats.errors import StreamError

HEAD_SIZE = 16  # bytes of the input that `reject_non_text` needs; it looks at all that it gets

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
PARQUET = b"PAR1"
UTF8_BOM = b"\xef\xbb\xbf"

# Byte-order marks. The order matters: that of UTF-32LE begins with that of UTF-16LE.
_BOMS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}

# Which of four bytes are NUL in ASCII text of an encoding. For files without a mark; most text begins with ASCII.
_NUL_PATTERNS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "UTF-32LE",
    (True, True, True, False): "UTF-32BE",
    (False, True, False, True): "UTF-16LE",
    (True, False, True, False): "UTF-16BE",
}

_BINARY_MAGIC = {
    GZIP: "gzip inside gzip; unpack it once with `gunzip -c`",
    ZSTD: "Zstandard inside something else; unpack it once with `zstd -dc`",
    b"PAR1\x15": "Parquet, which is read from a file only, not from a pipe",
    b"PK\x03\x04": "a zip archive (or an Office file); unpack it with `unzip -p`",
    b"BZh": "bzip2; unpack it with `bzip2 -dc`",
    b"\xfd7zXZ\x00": "xz; unpack it with `xz -dc`",
    b"\x04\x22\x4d\x18": "LZ4; unpack it with `lz4 -dc`",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive; unpack it first",
    b"ARROW1\x00\x00": "Arrow; export it as JSON Lines",
    b"Obj\x01": "Avro; export it as JSON Lines",
    b"\x89HDF\r\n": "HDF5; export it as JSON Lines",
    b"SQLite format 3\x00": "an SQLite database; export it as JSON Lines",
    b"%PDF-": "a PDF document; extract its text first",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x7fELF": "a program",
    b"GGUF\x03\x00\x00\x00": "a GGUF model; name it with ModelConfig.model",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Office file; export its text first",
    b"\x93NUMPY": "a NumPy array; export its texts as JSON Lines",
}

_TAR_MAGIC, _TAR_OFFSET = b"ustar", 257

# Binary data without a magic number: at least so many of the first lines, and such a share of them, are not UTF-8 text,
# and such a share of all bytes are control characters. Text in which some lines are damaged, or in Latin-1, is not.
_MIN_BAD_LINES = 3
_BAD_LINES_SHARE = 0.9
_CONTROL_SHARE = 0.05
_CONTROLS = bytes({*range(32), 127} - set(b"\b\t\n\v\f\r\x1b"))  # without those of text for terminals and printers


def reject_non_text(head: bytes) -> None:
    """Raise `StreamError` if the first bytes of an input show that it is not UTF-8 text.

    Args:
        head: HEAD_SIZE bytes or more; less if the input or its first line is shorter.
    """
    for magic, name in _BINARY_MAGIC.items():
        if head.startswith(magic) and not (magic == b"BZh" and head[4:10] != b"1AY&SY"):  # text may begin with "BZh"
            raise _not_text(name)
    if head[_TAR_OFFSET:].startswith(_TAR_MAGIC):
        raise _not_text("a tar archive; unpack it with `tar -xOf`")
    if encoding := _detect_encoding(head) or _guess_encoding(head):
        raise StreamError(
            f"the text is {encoding}, not UTF-8; convert it with `iconv -f {encoding} -t UTF-8`", code="input/not-text"
        )
    if _is_binary(head):
        raise _not_text("binary data: nothing of it is read")


def _not_text(name: str) -> StreamError:
    return StreamError(f"expected text, got {name}", code="input/not-text")


def _detect_encoding(head: bytes) -> str | None:
    for mark, name in _BOMS.items():
        if head.startswith(mark):
            return name
    if b"\0" not in head:
        return None
    patterns = _count_nul_patterns(head)
    return _NUL_PATTERNS.get(next(iter(patterns))) if len(patterns) == 1 else None


def _guess_encoding(head: bytes) -> str | None:
    """Return the encoding of what is not UTF-8 text if most of it is ASCII in that encoding."""
    if not _is_binary(head):
        return None
    patterns = _count_nul_patterns(head)
    ((pattern, number),) = patterns.most_common(1)
    return _NUL_PATTERNS.get(pattern) if 2 * number > patterns.total() else None


def _count_nul_patterns(head: bytes) -> Counter[tuple[bool, ...]]:
    return Counter(tuple(byte == 0 for byte in head[at : at + 4]) for at in range(0, len(head) // 4 * 4, 4))


def _is_binary(head: bytes) -> bool:
    """Return whether nearly all complete lines are not UTF-8 text, and many bytes are control characters."""
    if b"\0" not in head or len(head) - len(head.translate(None, _CONTROLS)) < _CONTROL_SHARE * len(head):
        return False
    lines = [line for line in head.split(b"\n")[:-1] if line.strip()]
    bad = sum(map(_is_bad_line, lines))
    return bad >= _MIN_BAD_LINES and bad >= _BAD_LINES_SHARE * len(lines)


def _is_bad_line(line: bytes) -> bool:
    try:
        return "\0" in line.decode()
    except UnicodeDecodeError:
        return True
