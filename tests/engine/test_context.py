from __future__ import annotations

import os
from pathlib import Path

import pytest

from guardcli.engine.context import available_cores

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
    assert available_cores(tmp_path / "cpu.max") == cores


def test_without_control_groups(tmp_path: Path) -> None:
    assert available_cores(tmp_path / "cpu.max") == ALL
