"""CPU cores and memory that this process may use, as Linux and its control groups report them."""

from __future__ import annotations

import os
import re
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def available_cores(group: Path = GROUP) -> int:
    """How many cores this process may use: those of its affinity mask, or fewer by the CPU quota of its control group.

    llama.cpp's threads wait for each other by spinning: with two threads on one free core it was 16 times slower.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, (group / "cpu.max").read_text().split())
    except (OSError, ValueError):  # no control groups, or "max": no quota
        return allowed
    return max(1, min(allowed, quota // period))


def free_memory(mapped: int = 0, *, group: Path = GROUP, meminfo: Path = MEMINFO) -> int | None:
    """Bytes of memory that can still be allocated; None if the system does not say.

    It is the least of what the machine has and what the control group allows. `mapped` is subtracted: bytes of a
    memory-mapped file, which count as free though they will be needed.
    """
    limits = [_number(r"MemAvailable:\s+(\d+) kB", meminfo, 1024)]
    limit = _number(r"^(\d+)$", group / "memory.max")
    if limit is not None:
        limits.append(limit - (_number(r"^anon (\d+)$", group / "memory.stat") or 0))
    reported = [limit for limit in limits if limit is not None]
    return max(0, min(reported) - mapped) if reported else None


def _number(pattern: str, path: Path, unit: int = 1) -> int | None:
    try:
        match = re.search(pattern, path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) * unit if match else None
