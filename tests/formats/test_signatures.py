import pytest

from guardcli.formats import signatures
from guardcli.formats.faults import Damaged


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"hi",
        b"PAR1S is a car",
        b"BZhou says hi",
        b"nul \0 in text",
        b"\0\0\0\0",
        "中文中文".encode(),
        b"\xef\xbb\xbf{}",
        b"\xff\xfa",
    ],
)
def test_check_noop(head):
    signatures.check(head)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("hi".encode("utf-16"), "the text is UTF-16, not UTF-8; convert it with `iconv -f UTF-16 -t UTF-8`"),
        (b"\xfe\xff\0h", "the text is UTF-16, not UTF-8; convert it with `iconv -f UTF-16 -t UTF-8`"),
        ("hi".encode("utf-32"), "the text is UTF-32, not UTF-8; convert it with `iconv -f UTF-32 -t UTF-8`"),
        ("hi".encode("utf-16-le"), "the text is UTF-16LE, not UTF-8; convert it with `iconv -f UTF-16LE -t UTF-8`"),
        ("hi".encode("utf-16-be"), "the text is UTF-16BE, not UTF-8; convert it with `iconv -f UTF-16BE -t UTF-8`"),
        ("hi".encode("utf-32-le"), "the text is UTF-32LE, not UTF-8; convert it with `iconv -f UTF-32LE -t UTF-8`"),
        ("hi".encode("utf-32-be"), "the text is UTF-32BE, not UTF-8; convert it with `iconv -f UTF-32BE -t UTF-8`"),
        (b"\x28\xb5\x2f\xfd\x04", "this is no text but Zstandard; unpack it with `zstd -dc`"),
        (b"PAR1\x15\x04", "this is no text but Parquet; export it as JSON Lines"),
        (b"PK\x03\x04", "this is no text but a zip archive (or an Office file); unpack it with `unzip -p`"),
        (b"BZh91AY&SY", "this is no text but bzip2; unpack it with `bzip2 -dc`"),
        (b"\x1f\x8b\x08", "this is no text but gzip inside gzip; unpack it once with `gunzip -c`"),
        (b"GGUF\x03\0\0\0", "this is no text but a GGUF model; give it with --model"),
    ],
)  # fmt: skip
def test_check_refuses(head, reason):
    with pytest.raises(Damaged) as error:
        signatures.check(head)
    assert str(error.value) == reason
