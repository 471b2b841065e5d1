"""What the machine gives this process: cores and memory, as far as Linux and its control groups tell.

It knows no model and no llama.cpp.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def available_cores(group: Path = GROUP) -> int:
    """The cores that this process may use: those it may run on, or as many as its control group pays for.

    llama.cpp's threads wait for each other by spinning: with two threads on one free core it was 16 times slower.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        paid, period = map(int, (group / "cpu.max").read_text().split())
    except (OSError, ValueError):  # no control groups, or "max": no quota
        return allowed
    return max(1, min(allowed, paid // period))


def free_memory(mapped: int = 0, *, group: Path = GROUP, meminfo: Path = MEMINFO) -> int | None:
    """Bytes that can still be had, less `mapped` bytes of a file that count as free though they will be needed.

    The least of what the machine has and what the control group allows; None where neither is told.
    """
    found = [_number(r"MemAvailable:\s+(\d+) kB", meminfo, 1024)]
    limit = _number(r"^(\d+)$", group / "memory.max")
    if limit is not None:
        found.append(limit - (_number(r"^anon (\d+)$", group / "memory.stat") or 0))
    known = [number for number in found if number is not None]
    return max(0, min(known) - mapped) if known else None


def _number(pattern: str, path: Path, unit: int = 1) -> int | None:
    try:
        match = re.search(pattern, path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) * unit if match else None
