"""The cache: whatever lies in its place does no harm, and is replaced by one that works where it can be."""

from __future__ import annotations

import json
import os
import resource
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guardcli.engine import EngineConfig
from guardcli.judging import Guard
from guardcli.models import Model, ModelConfig
from guardcli.models.cache import cache_get, cache_put, is_digest, is_number
from tests import tiny
from tests.irregular import IRREGULAR

OPTIONS = EngineConfig(threads=1)

CONTENTS = {
    "empty": b"",
    "cut off": b'{"key": "0.',
    "no object": b'["key", "0.5"]',
    "null": b"null",
    "no UTF-8": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "a long number": b'{"key": ' + b"9" * 100_000 + b"}",
    "huge": b'{"key": "0.5", "x": "' + b"x" * (1 << 21) + b'"}',
    "many lists": b"[" + b"[]," * (1 << 24) + b"[]]",
    "a value of another type": b'{"key": {"key": "0.5"}}',
}


def test_cached_values_are_returned(tmp_path: Path) -> None:
    cache = tmp_path / "a" / "b" / "cache.json"
    cache_put(cache, "key", "0.5")
    cache_put(cache, "\udce9\x1b", "0.25")
    cache_put(cache, "key", "0.75")
    assert [cache_get(cache, key) for key in ("key", "\udce9\x1b", "other")] == ["0.75", "0.25", None]
    assert [path.name for path in cache.parent.iterdir()] == ["cache.json"]


def test_without_a_cache() -> None:
    cache_put(None, "key", "0.5")
    assert cache_get(None, "key") is None


@pytest.mark.parametrize("number", [0.0, 0.5, 1e-05, 5e-324, 0.1 + 0.2, 1234.5678901234567, 9999.0])
def test_numbers(number: float) -> None:
    assert is_number(repr(number))
    assert float(repr(number)) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "nan",
        "inf",
        "-inf",
        "-1.0",
        "1e999",
        "1e5",
        "10000.0",
        "1_0",
        " 1",
        "1\n",
        "0x1",
        "\u0661",
        "1" * 64,
        ".",
    ],
)
def test_what_is_no_number_or_out_of_range(tmp_path: Path, text: str) -> None:
    cache_put(tmp_path / "cache.json", "key", text)
    assert cache_get(tmp_path / "cache.json", "key") is None


def test_a_number_is_no_digest_and_a_digest_no_number(tmp_path: Path) -> None:
    cache_put(tmp_path / "cache.json", "number", "0.5")
    cache_put(tmp_path / "cache.json", "digest", "1" * 64)
    assert cache_get(tmp_path / "cache.json", "number", valid=is_digest) is None
    assert cache_get(tmp_path / "cache.json", "digest") is None


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_odd_content_is_ignored_and_replaced(tmp_path: Path, content: bytes) -> None:
    cache = tmp_path / "cache.json"
    cache.write_bytes(content)
    tracemalloc.start()
    assert cache_get(cache, "key") is None
    cache_put(cache, "key", "0.5")
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()
    assert json.loads(cache.read_text()) == {"key": "0.5"}


@pytest.mark.parametrize("make", IRREGULAR.values(), ids=IRREGULAR)
def test_what_is_not_a_regular_file_is_ignored_and_replaced(tmp_path: Path, make: Callable[[Path], object]) -> None:
    cache = tmp_path / "cache.json"
    make(cache)
    assert cache_get(cache, "key") is None
    cache_put(cache, "key", "0.5")
    assert cache_get(cache, "key") == (None if cache.is_dir() else "0.5")
    assert not list(tmp_path.glob(".guard*"))


def test_what_a_link_leads_to_is_not_written_over(tmp_path: Path) -> None:
    diary, cache = tmp_path / "diary", tmp_path / "cache.json"
    diary.write_text("a diary")
    cache.symlink_to(diary)
    cache_put(cache, "key", "0.5")
    assert (diary.read_text(), cache_get(cache, "key")) == ("a diary", "0.5")


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    cache.symlink_to(cache)
    assert cache_get(cache, "key") is None
    cache_put(cache, "key", "0.5")
    assert cache_get(cache, "key") == "0.5"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    cache_put(tmp_path / "file" / "cache.json", "key", "0.5")
    assert cache_get(tmp_path / "file" / "cache.json", "key") is None
    assert (tmp_path / "file").read_text() == "x"


@contextmanager
def _full_disk() -> Iterator[None]:
    """No file may grow, which looks the same to who writes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    cache_put(cache, "key", "0.5")
    with _full_disk():
        cache_put(cache, "key", "0.75")
    assert cache_get(cache, "key") == "0.5"
    assert [path.name for path in tmp_path.iterdir()] == ["cache.json"]


@pytest.mark.skipif(bool(os.geteuid()), reason="needs root, who may become somebody else")
@pytest.mark.parametrize(("file", "folder"), [(0o000, 0o755), (0o444, 0o755), (0o644, 0o555), (0o644, 0o000)])
def test_without_permission(tmp_path: Path, file: int, folder: int) -> None:
    cache = tmp_path / "caches" / "cache.json"
    cache_put(cache, "key", "0.5")
    for parent in (*tmp_path.parents[:2], tmp_path):
        parent.chmod(0o755)
    cache.chmod(file)
    cache.parent.chmod(folder)
    user = os.geteuid()
    os.seteuid(65534)
    try:
        cache_put(cache, "key", "0.75")
        assert cache_get(cache, "key") in (None, "0.5")
    finally:
        os.seteuid(user)
    assert cache_get(cache, "key") == "0.5"


def test_it_stays_small(tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    for number in range(520):
        cache_put(cache, f"{number}", "0.5")
    assert list(json.loads(cache.read_text())) == [f"{number}" for number in range(20, 520)]
    cache_put(cache, "x" * 3000, "0.5")
    cache_put(cache, "long" * (1 << 18), "0.5")
    assert len(json.loads(cache.read_text())) == 1


@pytest.mark.parametrize("forged", ["abc", "nan", "inf", "1e400", "-1", "1" * 64, 7, None])
def test_a_forged_tolerance_is_measured_again(model: Model, tmp_path: Path, forged: object) -> None:
    cache = tmp_path / "cache.json"
    with Guard(model, engine=OPTIONS, cache=cache) as guard:
        measured = guard.measure_tolerance()
    (key,) = json.loads(cache.read_text())
    cache.write_text(json.dumps({key: forged}))
    with Guard(model, engine=OPTIONS, cache=cache) as guard:
        assert guard.measure_tolerance() == measured
    assert json.loads(cache.read_text()) == {key: repr(measured)}


def test_a_model_replaced_in_place_has_a_tolerance_of_its_own(tmp_path: Path) -> None:
    path, cache = tmp_path / "m.gguf", tmp_path / "cache.json"
    for seed in (1, 2):
        tiny.write(path, seed=seed, answers=True)
        os.utime(path, ns=(0, 10**18))
        with Guard(ModelConfig(path, template="llama-guard-3-8b"), engine=OPTIONS, cache=cache) as guard:
            assert guard.measure_tolerance() > 0
    known = json.loads(cache.read_text())
    assert len({key for key in known if "tolerance" in key}) == 2
    assert len({known[key] for key in known if "sha256" in key}) == 2
