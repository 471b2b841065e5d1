import gzip
import io
import tarfile
from random import Random

import pytest

from guardcli.conversation import Malformed, Record
from guardcli.formats import ReadOptions, magic
from guardcli.formats.errors import StreamError
from tests.formats.in_memory import read_all


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"hi",
        b"PAR1S is a car",
        b"GGUF is a format",
        b"BZhou says hi",
        b"nul \0 in text",
        b"\0\0\0\0",
        "中文中文".encode(),
        b"\xef\xbb\xbf{}",
        b"\xff\xfa",
    ],
)
def test_text_is_not_rejected(head):
    assert magic.reject_non_text(head) is None


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (
            b"\x28\xb5\x2f\xfd\x04",
            "expected text, got Zstandard inside something else; unpack it once with `zstd -dc`",
        ),
        (b"PAR1\x15\x04", "expected text, got Parquet, which is read from a file only, not from a pipe"),
        (b"PK\x03\x04", "expected text, got a zip archive (or an Office file); unpack it with `unzip -p`"),
        (b"BZh91AY&SY", "expected text, got bzip2; unpack it with `bzip2 -dc`"),
        (b"\x1f\x8b\x08", "expected text, got gzip inside gzip; unpack it once with `gunzip -c`"),
        (b"GGUF\x03\0\0\0", "expected text, got a GGUF model; name it with ModelConfig.model"),
    ],
)
def test_no_text(head, reason):
    with pytest.raises(StreamError) as error:
        magic.reject_non_text(head)
    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("hi".encode("utf-16"), "UTF-16"),
        (b"\xfe\xff\0h", "UTF-16"),
        ("hi".encode("utf-32"), "UTF-32"),
        ("hi".encode("utf-16-le"), "UTF-16LE"),
        ("hi".encode("utf-16-be"), "UTF-16BE"),
        ("hi".encode("utf-32-le"), "UTF-32LE"),
        ("hi".encode("utf-32-be"), "UTF-32BE"),
    ],
)
def test_another_encoding(head, encoding):
    with pytest.raises(StreamError) as error:
        magic.reject_non_text(head)
    reason = f"the text is {encoding}, not UTF-8; convert it with `iconv -f {encoding} -t UTF-8`"
    assert str(error.value) == reason


def random_bytes(size: int, seed: int = 0) -> bytes:
    return Random(seed).randbytes(size)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_binary_data_is_one_error(seed, pack):
    (one,) = read_all(pack(random_bytes(20_000, seed)))
    assert (one.key.line, one.code) == (1, "input/not-text")
    assert one.reason == "expected text, got binary data: nothing of it is read"


def test_binary_data_is_no_lines_to_split_a_run_at():
    assert ReadOptions().find_record_lines(io.BytesIO(b"\n" + random_bytes(20_000))) is None
    assert ReadOptions().find_record_lines(io.BytesIO(b"hello\n" * 9 + b"\0\xff\x01\n")) == "lines"


# What 20 kB of it looks like line by line: nothing here may change how the lines around are read.
BAD = random_bytes(300).replace(b"\n", b"") + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        BAD + b"hello\n",
        BAD * 2 + b"hello\n",
        b"hello\n" + BAD,
        b"hello\n" * 2 + BAD * 9,
        BAD * 20 + b"hello\n" * 3,
        b"\0" * 5000 + b"\n" + b"hello\n",
        b"d\xe9j\xe0 vu, \xe0 la carte, na\xefve\n" * 50 + b"\0\n" + b"hello\n",
    ],
)
def test_damaged_lines_are_errors_by_themselves(content):
    rows = read_all(content)
    assert len(rows) == content.count(b"\n")
    assert sum(isinstance(row, Record) for row in rows) == content.count(b"hello\n")
    assert {row.code for row in rows if isinstance(row, Malformed)} == {"record/invalid-encoding"}


def test_colored_text_is_text():
    rows = read_all(b"\x1b[31mred\x1b[0m\n" * 20 + b"\0\n")
    assert sum(isinstance(row, Record) for row in rows) == 20


def test_most_of_it_in_another_encoding():
    text = "“Where is my order?” she asked.\n" * 20
    (one,) = read_all(text.encode("utf-16-le"))
    assert one.reason == "the text is UTF-16LE, not UTF-8; convert it with `iconv -f UTF-16LE -t UTF-8`"


def test_a_tar_archive():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("chats.txt")
        entry.size = 12
        archive.addfile(entry, io.BytesIO(b"hello\nworld\n"))
    for content in (packed.getvalue(), gzip.compress(packed.getvalue())):
        (one,) = read_all(content)
        assert one.reason == "expected text, got a tar archive; unpack it with `tar -xOf`"
