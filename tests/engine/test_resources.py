from __future__ import annotations

import os
from pathlib import Path

import pytest

from guardcli.engine.resources import available_cores, free_memory

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    ("content", "cores"),
    [
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("900000000 100000\n", ALL),
        ("max 100000\n", ALL),
        ("", ALL),
        ("what is this\n", ALL),
    ],
)
def test_a_quota_of_the_control_group_is_kept(tmp_path: Path, content: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(content)
    assert available_cores(tmp_path) == cores


def test_without_control_groups(tmp_path: Path) -> None:
    assert available_cores(tmp_path) == ALL


MEMINFO = "MemTotal:       2000 kB\nMemAvailable:   1000 kB\n"


@pytest.mark.parametrize(
    ("limit", "stat", "free"),
    [
        ("max", "anon 100000\nfile 9\n", 1_024_000),
        ("500000", "file 7\nanon 100000\n", 400_000),
        ("500000", "", 500_000),
        ("99000000", "anon 1\n", 1_024_000),
        ("50000", "anon 100000\n", 0),
    ],
)
def test_free_memory_is_the_least_of_machine_and_group(tmp_path: Path, limit: str, stat: str, free: int) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.stat").write_text(stat)
    (tmp_path / "meminfo").write_text(MEMINFO)
    assert free_memory(group=tmp_path, meminfo=tmp_path / "meminfo") == free
    assert free_memory(1000, group=tmp_path, meminfo=tmp_path / "meminfo") == max(0, free - 1000)


def test_unknown_memory(tmp_path: Path) -> None:
    assert free_memory(group=tmp_path, meminfo=tmp_path / "meminfo") is None
