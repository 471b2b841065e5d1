"""Quantized weights of a small model, unpacked into F16."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from guardcli.errors import ModelError, OutputError
from guardcli.models.gguf import read_header
from guardcli.models.lookup import find_model
from guardcli.models.memory import WeightSizes
from guardcli.models.unpacking import open_unpacked, unpack
from tests import tiny

DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("source") / "small.gguf")


def test_matrices_are_in_f16_and_the_rest_is_kept(source: Path, tmp_path: Path) -> None:
    before = read_header(source)
    unpack(source, tmp_path / "a.gguf")
    after = read_header(tmp_path / "a.gguf")
    types = {tensor.name: tensor.type for tensor in after.tensors}
    assert types["blk.0.attn_q.weight"] == types["token_embd.weight"] == "F16"
    assert types["output_norm.weight"] == "F32"
    assert {*types} == {tensor.name for tensor in before.tensors}
    assert after.get_str("general.name") == before.get_str("general.name")
    unpack(source, tmp_path / "b.gguf")
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def test_what_the_base_of_smol_takes_is_known_before(tmp_path: Path) -> None:
    source = find_model("smol")
    unpack(source, tmp_path / "a.gguf")
    expected = WeightSizes.from_headers([read_header(source)], unpacked=True)
    assert WeightSizes.from_headers([read_header(tmp_path / "a.gguf")]) == expected


def test_what_is_unpacked_is_kept_beside_the_cache(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "models.json"
    with open_unpacked(source, DIGEST, cache) as first:
        assert first == tmp_path / "cache" / "unpacked" / f"{DIGEST}.f16.gguf"
        written = first.stat().st_mtime_ns
    with open_unpacked(source, DIGEST, cache) as second:
        assert second.stat().st_mtime_ns == written
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def flip_a_bit(content: bytes) -> bytes:
    return content[:-500] + bytes([content[-500] ^ 1]) + content[-499:]


@pytest.mark.parametrize("damage", [lambda content: content[:-1000], flip_a_bit, lambda _: b"not a model"])
def test_a_damaged_file_is_written_anew(source: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    cache = tmp_path / "models.json"
    with open_unpacked(source, DIGEST, cache) as path:
        whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with open_unpacked(source, DIGEST, cache) as again:
        assert again.read_bytes() == whole
    cache.unlink()  # without the digest it is not trusted either
    path.write_bytes(flip_a_bit(whole))
    with open_unpacked(source, DIGEST, cache) as again:
        assert again.read_bytes() == whole


def test_a_file_that_another_process_has_unpacked_meanwhile_is_kept(source: Path, tmp_path: Path) -> None:
    (tmp_path / "there.gguf").write_bytes(b"of another process")
    with pytest.raises(OutputError) as caught:
        unpack(source, tmp_path / "there.gguf", exclusive=True)
    assert caught.value.code == "output/exists"
    assert (tmp_path / "there.gguf").read_bytes() == b"of another process"
    assert len([*tmp_path.iterdir()]) == 1


def test_what_a_killed_process_left_is_removed_also_if_nothing_is_to_be_unpacked(source: Path, tmp_path: Path) -> None:
    left = tmp_path / "unpacked" / ".guard-0123456789abcdef.tmp"
    left.parent.mkdir()
    for _ in range(2):
        left.write_bytes(b"GGUF")
        os.utime(left, (0, 0))
        with open_unpacked(source, DIGEST, tmp_path / "models.json") as path:
            assert [*left.parent.iterdir()] == [path]


@pytest.mark.parametrize("cache", [None, Path("models.json")], ids=["no cache", "no folder"])
def test_without_a_cache_it_is_temporary(source: Path, tmp_path: Path, cache: Path | None) -> None:
    (tmp_path / "file").write_text("not a folder")
    with open_unpacked(source, DIGEST, cache and tmp_path / "file" / cache) as path:
        assert read_header(path).tensors
    assert not path.exists()
    assert not path.parent.exists()


def test_an_error_while_it_is_loaded_is_not_swallowed(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="elsewhere"), open_unpacked(source, DIGEST, tmp_path / "models.json"):
        raise OSError("elsewhere")


@pytest.mark.parametrize("error", [ModelError("cannot be loaded", code="model/not-loaded"), KeyboardInterrupt()])
def test_what_is_temporary_is_removed_if_it_cannot_be_loaded(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(type(error)), open_unpacked(source, DIGEST, None):
        raise error
    assert [*tmp_path.iterdir()] == []


def test_what_is_temporary_is_removed_if_it_cannot_be_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ModelError, match="cannot be unpacked"), open_unpacked(broken, DIGEST, None):
        pytest.fail("it cannot be read")
    assert [*tmp_path.iterdir()] == [broken]


def test_a_source_that_llama_cpp_cannot_read_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"cannot unpack .*broken\.gguf") as caught:
        unpack(broken, tmp_path / "out.gguf")
    assert caught.value.code == "model/not-loaded"
    assert [path.name for path in tmp_path.iterdir()] == ["broken.gguf"]
    with pytest.raises(ModelError), open_unpacked(broken, DIGEST, tmp_path / "models.json"):
        pass


def test_without_any_room_it_is_an_error_with_the_reason(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    message = r"small\.gguf cannot be unpacked: .*Not a directory.*: set XDG_CACHE_HOME or TMPDIR"
    with pytest.raises(ModelError, match=message), open_unpacked(source, DIGEST, tmp_path / "file" / "models.json"):
        pytest.fail("it cannot be written")
