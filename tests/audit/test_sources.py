"""Inputs are hashed and cut several at a time, and come out as one after the other."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from guardcli.audit.sources import Source, read_sources
from guardcli.errors import InputError

MIB = 1 << 20


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Files of several pieces, of one, and of none."""
    rng = random.Random(1)
    paths = []
    for number, size in enumerate((3 * MIB + 17, 10, 0, MIB, 2 * MIB)):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(b"".join(rng.randbytes(99).replace(b"\n", b" ") + b"\n" for _ in range(size // 100)))
        paths.append(str(path))
    return paths


@pytest.mark.parametrize("threads", [1, 3])
def test_several_threads_give_what_one_file_after_the_other_gives(paths: list[str], threads: int) -> None:
    counted: list[int] = []
    sources = read_sources(paths, 300_000, on_read=counted.append, threads=threads)
    assert [source.path for source in sources] == paths
    assert [source.sha256 for source in sources] == [
        hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths
    ]
    assert [source.cuts for source in sources] == [Source.from_path(path, 300_000).cuts for path in paths]
    assert len(sources[0].cuts) == 10
    assert sum(counted) == sum(source.size for source in sources)


def test_the_error_is_that_of_the_first_file(paths: list[str]) -> None:
    with pytest.raises(InputError, match=r"0\.jsonl\.missing: cannot be read: No such file"):
        read_sources([paths[0], f"{paths[0]}.missing", paths[1], f"{paths[1]}.missing"], threads=3)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs an endless file")
def test_an_error_ends_the_others(paths: list[str]) -> None:
    with pytest.raises(InputError, match=r"missing"):
        read_sources([f"{paths[0]}.missing", "/dev/zero"], threads=2)
