"""The header's reader: whatever a file holds, a header or a ModelError, soon and in little memory."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.errors import ModelError
from guardcli.models.gguf import TENSOR_TYPES, read_header
from tests import tiny
from tests.irregular import IRREGULAR

HUGE = 2**64 - 1
U8, U32, F32, BOOL, STRING, ARRAY = 0, 4, 6, 7, 8, 9


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def text(value: str) -> bytes:
    return u64(len(value.encode())) + value.encode()


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + u32(kind) + value


def array(kind: int, count: int, content: bytes = b"") -> bytes:
    return pair("a", ARRAY, u32(kind) + u64(count) + content)


def tensor(*dims: int, kind: int = 0, offset: int = 0, name: str = "t") -> bytes:
    return text(name) + u32(len(dims)) + b"".join(map(u64, dims)) + u32(kind) + u64(offset)


def file(*pairs: bytes, tensors: Sequence[bytes] = (), data: int = 0, version: int = 3) -> bytes:
    """A GGUF whose tensors' data are `data` zero bytes, aligned to 32."""
    head = b"GGUF" + u32(version) + u64(len(tensors)) + u64(len(pairs)) + b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % 32 + data if tensors else 0)


SMALL = file(
    pair("general.alignment", U32, u32(32)),
    pair("s", STRING, text("text")),
    array(STRING, 2, text("x") + text("yz")),
    tensors=[tensor(4, 2), tensor(32, kind=8, offset=32)],
    data=66,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf") / "model.gguf"


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_header(path)
    return str(caught.value)


def test_a_tiny_model(tiny_path: Path) -> None:
    header = read_header(tiny_path)
    assert (header.n_tensors, header.get_str("general.name"), header.get_str("tokenizer.ggml.pre")) == (
        21,
        "tiny",
        "llama-bpe",
    )
    assert header.metadata["llama.attention.head_count"] == 4
    assert header.metadata["tokenizer.ggml.merges"] == list(tiny.MERGES)


@pytest.mark.parametrize(
    ("pairs", "metadata"),
    [
        ((), {}),
        ((pair("k", U8, b"\xff"), pair("i", 1, b"\xff"), pair("h", 3, b"\xfe\xff")),
         {"k": 255, "i": -1, "h": -2}),
        ((pair("q", 10, u64(HUGE)), pair("r", 11, u64(HUGE)), pair("d", 12, struct.pack("<d", 0.1))),
         {"q": HUGE, "r": -1, "d": 0.1}),
        ((pair("b", BOOL, b"\1"), pair("f", F32, struct.pack("<f", 0.5)), pair("é", STRING, text("ü\0")), ),
         {"b": True, "f": 0.5, "é": "ü\0"}),
        ((pair("s", STRING, u64(2) + b"\xff\xfe"),), {"s": "\ufffd\ufffd"}),
        ((array(BOOL, 2, b"\0\1"),), {"a": [False, True]}),
        ((array(STRING, 0),), {"a": []}),
        ((array(STRING, 4096, text("") * 4096), pair("k", U8, b"\1")), {"a": [""] * 4096, "k": 1}),
        ((array(STRING, 4097, text("é") * 4097), pair("k", U8, b"\1")), {"k": 1}),
        ((array(F32, 4097, u32(0) * 4097), pair("k", U8, b"\1")), {"k": 1}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [2, 3])
def test_metadata(path: Path, version: int, pairs: tuple[bytes, ...], metadata: dict[str, object]) -> None:
    path.write_bytes(file(*pairs, version=version))
    header = read_header(path)
    assert (header.metadata, header.n_tensors, header.get_str("k"), header.get_str("none")) == (metadata, 0, "", "")


LOGIN = "a web page: the download needs a login or a direct link"
OLD = "an old GGML file: convert it to GGUF again"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n",
         "a Git LFS pointer, not the file itself: fetch it with `git lfs pull`"),
        (b"<!DOCTYPE html>", LOGIN), (b"<!doctype html>", LOGIN), (b"<html>", LOGIN),
        (struct.pack("<I", 0x67676D6C), OLD), (struct.pack("<I", 0x67676D66), OLD),
        (struct.pack("<I", 0x67676A74), OLD),
        (b"PK\x03\x04", "a zip or PyTorch file: convert it with llama.cpp's convert_hf_to_gguf.py"),
        (b"gguf", "something else"),
    ],
)  # fmt: skip
def test_what_is_no_gguf_is_named(path: Path, start: bytes, what: str) -> None:
    assert refusal(path, start.ljust(64, b"\0")) == f"{path} is not a GGUF file, but {what}"


CUT = "is damaged or cut off: its header extends past the end of the file ({:,} bytes); download it again"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is too short to be a GGUF file"),
        (SMALL[:23], "is too short to be a GGUF file"),
        (file(version=1), "is GGUF version 1; versions 2 and 3 can be read"),
        (file(version=4), "is GGUF version 4; versions 2 and 3 can be read"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
         "is a big-endian GGUF file: this machine needs the little-endian one"),
        (b"GGUF" + u32(3) + u64(HUGE) + u64(0), "is damaged: it claims 18,446,744,073,709,551,615 tensors"),
        (b"GGUF" + u32(3) + u64(0) + u64(2), "is damaged: it claims 2 metadata keys"),
        (file(u64(HUGE) + bytes(9)), CUT.format(41)),
        (file(u64(2**63) + bytes(9)), CUT.format(41)),
        (file(pair("s", STRING, u64(HUGE))), CUT.format(45)),
        (file(pair("k", 13, u32(0))), "is damaged: metadata of unknown type 13"),
        (file(pair("k", 2**32 - 1, u32(0))), "is damaged: metadata of unknown type 4294967295"),
        (file(array(ARRAY, 1, u32(0) + u64(0))), "is damaged: an array of unknown type 9"),
        (file(array(13, 0)), "is damaged: an array of unknown type 13"),
        (file(array(U8, HUGE)), "is damaged: it claims 18,446,744,073,709,551,615 array elements"),
        (file(array(12, 40)), CUT.format(49)),
        (file(array(STRING, 7)), "is damaged: it claims 7 array elements"),
        (file(array(STRING, 5000, u64(HUGE) * 5000)), CUT.format(40049)),
        (file(array(STRING, 5000, text("") * 4999 + u64(1))), CUT.format(40049)),
        (file(tensors=[tensor(1, 1, 1, 1, 1)], data=4), "is damaged: tensor 't' has 5 dimensions"),
        (file(tensors=[tensor(8)], data=31),
         "is cut off: its tensors need 96 bytes, the file has 95; download it again"),
        (file(tensors=[tensor(33, kind=8)], data=67),
         "is cut off: its tensors need 132 bytes, the file has 131; download it again"),
        (file(tensors=[tensor(1, kind=99, offset=HUGE)]),
         "is cut off: its tensors need 18,446,744,073,709,551,679 bytes, the file has 64; download it again"),
        (file(tensors=[tensor(HUGE, HUGE, HUGE, HUGE, kind=1)]).ljust(999, b"\0"),
         f"is cut off: its tensors need {96 + 2 * HUGE**4:,} bytes, the file has 999; download it again"),
        *[(file(pair("general.alignment", kind, value), tensors=[tensor(1)], data=64),
           f"is damaged: alignment {shown}")
          for kind, value, shown in ((U32, u32(0), "0"), (U32, u32(24), "24"), (5, u32(2**32 - 32), "-32"),
                                     (F32, struct.pack("<f", 32), "32.0"), (STRING, text("32"), "'32'"))],
    ],
)  # fmt: skip
def test_damage(path: Path, content: bytes, message: str) -> None:
    assert refusal(path, content) == f"{path} {message}"


def test_every_truncation_is_refused(path: Path) -> None:
    for end in range(len(SMALL)):
        assert refusal(path, SMALL[:end]).startswith(f"{path} is ")
    path.write_bytes(SMALL)
    assert read_header(path).n_tensors == 2


@pytest.mark.parametrize("pairs", [[u64(2**32)], [pair("s", STRING, u64(2**32))]])
def test_a_string_as_large_as_the_file_is_not_read(path: Path, pairs: list[bytes]) -> None:
    path.write_bytes(file(*pairs))
    os.truncate(path, 2**33)
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"is damaged: it claims a string of 4,294,967,296 bytes$"):
        read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    path.unlink()


def test_a_large_array_is_walked_over(path: Path) -> None:
    path.write_bytes(file(array(U8, 2**32)))
    os.truncate(path, 2**33)
    tracemalloc.start()
    assert read_header(path).metadata == {}
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    path.unlink()


def test_no_permission(path: Path) -> None:
    path.write_bytes(SMALL)
    path.chmod(0)
    user = os.geteuid()
    if not user:  # root may read anything
        os.seteuid(65534)
    try:
        with pytest.raises(ModelError) as caught:
            read_header(path)
    finally:
        os.seteuid(user)
        path.chmod(0o600)
    assert str(caught.value) == f"cannot read {path}: Permission denied"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "Is a directory"), ("none.gguf", "No such file or directory"), ("a\0b", "embedded null byte")],
)
def test_what_cannot_be_opened(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_header(tmp_path / name)
    assert str(caught.value) == f"cannot read {tmp_path / name}: {reason}"


def test_block_sizes_are_ggmls() -> None:
    sizes = {int(kind): (kind.name, size, weights) for kind, (weights, size) in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: sizes[kind] for kind in TENSOR_TYPES} == TENSOR_TYPES


EDGES = st.sampled_from([u64(HUGE), u64(2**63), u64(2**32), u32(2**32 - 1), u64(0), u32(9), b"\xff", b""])


def read_or_refuse(path: Path) -> str:
    """`read`, or why the header was refused."""
    try:
        read_header(path)
    except ModelError as error:
        return str(error)
    return "read"


@given(
    st.lists(st.tuples(st.integers(0, len(SMALL)), st.integers(0, 8), EDGES | st.binary(max_size=9)), max_size=4),
    st.integers(0, len(SMALL)),
)
def test_mutations(path: Path, edits: list[tuple[int, int, bytes]], cut: int) -> None:
    content = SMALL
    for at, length, new in edits:
        content = content[:at] + new + content[at + length :]
    path.write_bytes(content[: cut or None])
    assert read_or_refuse(path).startswith(("read", f"{path} ", f"cannot read {path}"))


LOAD = """
import sys
from guardcli.errors import ModelError
from guardcli.models import Model
for path in sys.argv[1:]:
    try:
        Model.load(path, template="llama-guard-3-8b").close()
    except ModelError:
        pass
    print(path, flush=True)
"""


def damaged(content: bytes) -> Iterator[bytes]:
    """Metadata and tensor entries damaged one at a time, by name and then at random (not the vocabulary)."""
    for key in (
        "embedding_length",
        "attention.head_count",
        "attention.head_count_kv",
        "rope.dimension_count",
    ):
        before, after = content.split(pair(f"llama.{key}", U32, b""))
        yield from (before + pair(f"llama.{key}", U32, u32(value)) + after[4:] for value in (0, 3, 2**32 - 1))
    for old, new in (
        ("llama", "lllll"),
        ("gpt2", "bert"),
        ("llama-bpe", "unknown!!"),
        ("blk.0.attn_q.weight", "blk.1.attn_q.weight"),
    ):
        yield content.replace(text(old), text(new))
    count = struct.unpack_from("<Q", content, 16)[0]
    for wrong in (
        pair("", U32, u32(1)),
        pair("general.alignment", 5, u32(32)),
        pair("split.count", 2, b"\2\0"),
    ):
        filler = pair("filler", STRING, text("x" * (-(len(wrong) + 26) % 32)))
        yield content[:16] + u64(count + 2) + wrong + filler + content[24:]
    directory = content.index(text("output.weight"))
    rng = random.Random(1)
    for _ in range(40):
        at = directory + rng.randrange(1000)
        yield content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def test_what_the_header_lets_through_does_not_end_the_process(tiny_path: Path, tmp_path: Path) -> None:
    paths = []
    for content in damaged(tiny_path.read_bytes()):
        paths.append(tmp_path / f"{len(paths)}.gguf")
        paths[-1].write_bytes(content)
    done = subprocess.run([sys.executable, "-c", LOAD, *paths], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, [str(path) for path in paths])


LLAMA = pair("general.architecture", STRING, text("llama"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (file(LLAMA, pair("llama.block_count", U32, u32(0))), "is damaged: it claims 0 layers"),
        (file(LLAMA, pair("llama.block_count", U32, u32(513))), "is damaged: it claims 513 layers"),
        (file(LLAMA, pair("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", -1))),
         "is damaged: its normalisation has an epsilon of -1.0"),
        (file(LLAMA, pair("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", float("nan")))),
         "is damaged: its normalisation has an epsilon of nan"),
        (file(pair("tokenizer.ggml.tokens", ARRAY, u32(STRING) + u64(2) + text("a") + text("a"))),
         "is damaged: its vocabulary holds a token twice"),
        (file(pair("tokenizer.ggml.tokens", ARRAY, u32(U8) + u64(2) + b"\1\2")),
         "is damaged: its vocabulary is of type 0"),
        (file(tensors=[tensor(4, kind=26)], data=16), "is damaged: tensor 't' holds integers, not weights"),
    ],
)  # fmt: skip
def test_what_would_end_the_process_is_refused(path: Path, content: bytes, message: str) -> None:
    assert refusal(path, content) == f"{path} {message}"


@pytest.mark.parametrize("make", IRREGULAR.values(), ids=IRREGULAR)
def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "m.gguf")
    with pytest.raises(ModelError) as caught:
        read_header(tmp_path / "m.gguf")
    reason = "Is a directory" if (tmp_path / "m.gguf").is_dir() else "not a regular file"
    assert str(caught.value) == f"cannot read {tmp_path / 'm.gguf'}: {reason}"
