"""`guard` as a process, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

GUARD = [sys.executable, "-m", "guardcli"]
CACHE = tempfile.mkdtemp(prefix="guard-tests-")
QUIET = {"GUARD_MODEL": "", "GUARD_TAXONOMY": "", "NO_COLOR": ""}


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would change the output."""
    # Digests and tolerances that are remembered are the tests' own.
    extra = {"XDG_CACHE_HOME": CACHE} | extra
    kept = {name: value for name, value in os.environ.items() if name not in {*QUIET, "FORCE_COLOR"}}
    return kept | extra


def guard(
    *arguments: str | Path, stdin: str | bytes = b"", cwd: Path | None = None, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its output as text."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [*GUARD, *map(str, arguments)], input=given, capture_output=True, cwd=cwd, env=environment(**extra), timeout=300
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
