"""A model's identity: the digest of its content, remembered only as long as nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from guardcli.models.identity import file_digests, parts_of
from tests.irregular import IRREGULAR

MARK = "0" * 64  # a digest that no file has


def sha256(path: Path, cache: Path | None = None) -> str:
    return file_digests(parts_of(path), cache).whole


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"one")
    os.utime(path, ns=(0, 10**18))
    return path


@pytest.fixture
def cache(model: Path) -> Path:
    """A cache that knows the model; its digest is replaced by MARK, so that its use can be seen."""
    path = model.with_name("cache") / "digests.json"
    assert sha256(model, path) == digest(b"one")
    (key,) = json.loads(path.read_text())
    path.write_text(json.dumps({key: MARK}))
    return path


def test_without_a_cache(model: Path) -> None:
    assert sha256(model) == digest(b"one")
    assert [path.name for path in model.parent.iterdir()] == ["model.gguf"]


def test_the_cache_is_used_by_any_path_to_the_file(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = model.with_name("link.gguf")
    link.symlink_to(model)
    monkeypatch.chdir(model.parent)
    assert [sha256(path, cache) for path in (model, link, Path("model.gguf"))] == [MARK] * 3


def test_the_cache_is_written_in_one_step(cache: Path) -> None:
    assert [path.name for path in cache.parent.iterdir()] == ["digests.json"]


def _replaced(path: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.write_bytes(b"two")
    os.utime(fresh, ns=(0, 10**18))
    fresh.replace(path)


def _replaced_in_place(path: Path) -> None:
    """As by `rsync -t --inplace`: size, mtime and inode are those of before."""
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize(
    ("change", "content"),
    [
        (lambda path: path.write_bytes(b"two"), b"two"),
        (lambda path: os.utime(path, ns=(0, 10**18 + 1)), b"one"),
        (lambda path: (path.write_bytes(b"more"), os.utime(path, ns=(0, 10**18))), b"more"),
        (_replaced, b"two"),
        (_replaced_in_place, b"two"),
    ],
    ids=["content", "mtime", "size", "inode", "ctime"],
)
def test_a_change_is_seen_and_what_was_known_is_kept(model: Path, cache: Path, change: object, content: bytes) -> None:
    assert callable(change)
    change(model)
    assert sha256(model, cache) == digest(content)
    assert sorted(json.loads(cache.read_text()).values()) == sorted([MARK, digest(content)])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a": 1'])
def test_a_corrupt_cache_is_replaced(model: Path, cache: Path, content: bytes) -> None:
    cache.write_bytes(content)
    assert sha256(model, cache) == digest(b"one")
    assert list(json.loads(cache.read_text()).values()) == [digest(b"one")]


@pytest.mark.parametrize(
    "forged",
    [1, None, ["x"], "", "abc", MARK[1:], MARK + "0", MARK + "\n", "A" * 64, "g" * 64, "\x1b]0;owned\x07" + "0" * 55,
     0.5, "0.5", float("nan")],
)  # fmt: skip
def test_a_forged_digest_is_ignored_and_replaced(model: Path, cache: Path, forged: object) -> None:
    (key,) = json.loads(cache.read_text())
    cache.write_text(json.dumps({key: forged}))
    assert sha256(model, cache) == digest(b"one")
    assert json.loads(cache.read_text()) == {key: digest(b"one")}


def test_a_model_that_was_just_written_is_seen_to_change(model: Path, tmp_path: Path) -> None:
    """Within a tick of the clock, too, in which a change leaves the ctime as it is."""
    for number in range(20):
        content = f"{number:03}".encode()
        model.write_bytes(content)
        os.utime(model, ns=(0, 10**18))
        assert sha256(model, tmp_path / "digests.json") == digest(content)


@pytest.mark.parametrize("make", IRREGULAR.values(), ids=IRREGULAR)
def test_what_is_not_a_regular_file_has_no_digest(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """Of a split model only the first file's header is read."""
    first, second = tmp_path / "m-00001-of-00002.gguf", tmp_path / "m-00002-of-00002.gguf"
    first.write_bytes(b"x")
    make(second)
    with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
        sha256(first, tmp_path / "digests.json")


@pytest.mark.parametrize("place", [".", "model.gguf/digests.json"])
def test_a_cache_that_cannot_be_read_or_written_is_no_error(model: Path, place: str) -> None:
    assert sha256(model, model.parent / "model.gguf" / ".." if place == "." else model.parent / place) == digest(b"one")


def _parts(folder: Path, *numbers: int) -> list[Path]:
    paths = [folder / f"m-{number:05}-of-00003.gguf" for number in numbers]
    for path in paths:
        path.write_bytes(path.name[:7].encode())
    return paths


def test_a_split_model_is_all_its_files_in_order(tmp_path: Path) -> None:
    cache = tmp_path / "digests.json"
    parts = _parts(tmp_path, 3, 1, 2)
    assert {sha256(path, cache) for path in parts} == {digest(b"m-00001m-00002m-00003")}
    parts[0].write_bytes(b"changed")
    assert sha256(parts[1], cache) == digest(b"m-00001m-00002changed")


def test_a_part_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256(_parts(tmp_path, 1, 3)[0])


@pytest.mark.parametrize(
    "name", ["m-00001-of-00000.gguf", "m-00004-of-00003.gguf", "m-1-of-3.gguf", "m-00001-of-00002.bin"]
)
def test_a_name_that_only_looks_split(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert sha256(tmp_path / name) == digest(b"x")
