import gzip
import io

import pytest
import zstandard

from guardcli.errors import InputError
from guardcli.formats import open_source, source
from guardcli.formats.errors import StreamError
from tests.formats.in_memory import Chunks

PACKED = gzip.compress(b"one\ntwo\n", mtime=0)


def unpacked(*pieces):
    """All text, and the reason where it ends too early."""
    content = b""
    try:
        for piece in source.iter_utf8(Chunks(pieces)):
            content += piece
    except StreamError as error:
        return content, str(error)
    return content, None


def test_a_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"hi")
    with open_source(str(path)) as stream:
        assert stream.read() == b"hi"


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing", "missing: no such file"), (".", ".: is a directory; name the files in it")],
)
def test_a_path_that_cannot_be_opened(tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        open_source(path)
    assert str(error.value) == reason


@pytest.mark.parametrize("path", ["a\0b", "a" * 5000, "/dev/null/x"])
def test_a_path_that_cannot_exist(path):
    with pytest.raises(InputError, match="cannot be opened"):
        open_source(path)


def test_an_error_of_the_operating_system():
    class Failing(io.RawIOBase):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(StreamError, match=r"^cannot be read any further: Input/output error$"):
        list(source.iter_utf8(Failing()))


@pytest.mark.parametrize("content", [b"", b"a", b"\xef\xbb", b"hi\nthere", b"long enough to be a head\n" * 9])
def test_text_unchanged(content):
    assert unpacked(content) == (content, None)
    assert unpacked(*(bytes([byte]) for byte in content)) == (content, None)


def test_byte_order_marks_are_not_part_of_the_text():
    """It stays in the bytes, which `guard filter` passes on, and is no part of the first line."""
    assert unpacked(b"\xef", b"\xbb", b"\xbfhi", b"\xef\xbb\xbf") == (b"\xef\xbb\xbfhi\xef\xbb\xbf", None)
    assert unpacked(gzip.compress(b"\xef\xbb\xbfhi")) == (b"\xef\xbb\xbfhi", None)


def test_a_short_first_line_does_not_wait():
    def live():
        yield b"hi\n"
        pytest.fail("asked for more before the first line was given")

    assert next(source.iter_utf8(Chunks(live()))) == b"hi\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_gzip_of_several_members(size):
    packed = PACKED + b"\0\0" + gzip.compress(b"") + PACKED + b"\0" * 9
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert unpacked(*pieces) == (b"one\ntwo\none\ntwo\n", None)


def test_gzip_of_a_large_text():
    assert unpacked(gzip.compress(b"0" * 3_000_000)) == (b"0" * 3_000_000, None)


def test_gzip_cut_off():
    cut_off = "the gzip data is cut off here; this record and everything after it are lost"
    assert unpacked(PACKED[:-3]) == (b"one\ntwo\n", cut_off)
    assert unpacked(PACKED, PACKED[:5]) == (b"one\ntwo\n", cut_off)


def test_gzip_corrupt():
    content, reason = unpacked(PACKED + b"garbage")
    assert content == b"one\ntwo\n"
    assert reason is not None
    assert reason.startswith("the gzip data is corrupt here (")


def test_decompressed_bytes_are_checked_too():
    assert unpacked(gzip.compress(b"PK\x03\x04"))[1] == (
        "expected text, got a zip archive (or an Office file); unpack it with `unzip -p`"
    )


@pytest.mark.parametrize("frames", [1, 3])
def test_zstandard_frames_are_decompressed_one_after_another(frames):
    content = b"".join(zstandard.compress(b"line %d\n" % number * 50_000) for number in range(frames))
    expected = b"".join(b"line %d\n" % number * 50_000 for number in range(frames))
    assert b"".join(source.iter_utf8(io.BytesIO(content))) == expected


def test_zstandard_in_small_chunks_from_a_pipe():
    content = zstandard.compress(b"one\ntwo\n")
    assert b"".join(source.iter_utf8(Chunks([content[at : at + 1] for at in range(len(content))]))) == b"one\ntwo\n"


def test_damaged_zstandard():
    content = zstandard.compress(b"".join(b"line %d\n" % number for number in range(5000)))
    with pytest.raises(StreamError, match="the Zstandard data is cut off here"):
        list(source.iter_utf8(io.BytesIO(content[:-10])))
    with pytest.raises(StreamError, match="the Zstandard data is corrupt here"):
        list(source.iter_utf8(io.BytesIO(content[:20] + b"\xff" * 40 + content[60:])))


def test_a_small_file_that_decompresses_to_gigabytes_is_read_in_chunks():
    """A bomb of 100 MB comes in pieces that fit."""
    content = zstandard.compress(b"\0" * 100_000_000)
    pieces = source._unzstd(iter([content]))
    assert max(map(len, pieces)) < 20_000_000
