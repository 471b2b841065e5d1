import pytest

from guardcli.formats import magic
from guardcli.formats.errors import StreamError


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
