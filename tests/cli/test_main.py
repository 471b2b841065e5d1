"""How a run ends where the machine or the installation lacks something: a message and exit code 2, not a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from guardcli.cli.exit_codes import INTERNAL_ERROR, USAGE_ERROR
from tests.cli.running import environment, guard, launch

BROKEN = {
    "as llama-cpp-python says it": (
        "llama_cpp",
        "raise RuntimeError(\"Failed to load shared library '/x/libllama.so': libggml.so.0: failed to map segment\")",
        "cannot load a library: Failed to load shared library '/x/libllama.so': libggml.so.0: failed to map segment; "
        "install guardcli again",
    ),
    "no file of the library": (
        "llama_cpp",
        "raise FileNotFoundError(\"Shared library with base name 'llama' not found\")",
        "Shared library with base name 'llama' not found",
    ),
    "the system's own error": (
        "llama_cpp",
        "import ctypes\nctypes.CDLL('/nowhere/libllama.so')",
        "/nowhere/libllama.so: cannot open shared object file: No such file or directory",
    ),
    "numpy": (
        "numpy",
        "try:\n    raise ImportError('libopenblas.so: failed to map segment')\n"
        "except ImportError as error:\n    raise ImportError('IMPORTANT\\nread this') from error",
        "cannot load a library: libopenblas.so: failed to map segment; install guardcli again",
    ),
    "not installed": ("numpy", "import no_such_module", "cannot load a library: No module named 'no_such_module'; "),
    "no memory": ("numpy", "raise MemoryError", "out of memory: allow more"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("module", "code", "message"), BROKEN.values(), ids=BROKEN)
def test_a_library_that_cannot_be_loaded(tmp_path: Path, module: str, code: str, message: str) -> None:
    (tmp_path / f"{module}.py").write_text(code)
    done = launch("check", "-m", "smol", stdin="hi", PYTHONPATH=str(tmp_path))
    assert done.stderr.startswith(f"guard: {message}")
    assert done.stderr.count("\n") == 1
    assert (done.returncode, done.stdout) == (USAGE_ERROR, "")


def test_a_thread_that_cannot_be_started() -> None:
    """A stack larger than the address space is refused as a thread too many is."""
    code = "import threading; threading.stack_size(1 << 47); from guardcli.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, "check", "-m", "smol", "--threads", "1"],
        input="hi", capture_output=True, text=True, env=environment(), timeout=300,
    )  # fmt: skip
    assert ran.stderr.splitlines()[-1] == (
        "guard: cannot start a thread: the limit of processes (ulimit -u) or of memory (ulimit -v) is reached "
        "[system/out-of-memory]"
    )
    assert (ran.returncode, ran.stdout) == (USAGE_ERROR, "")


@pytest.mark.parametrize("code", ["raise RuntimeError('x')", "import guardcli.no_such_module"])
def test_a_bug_stays_one(tmp_path: Path, code: str) -> None:
    (tmp_path / "numpy.py").write_text(code)
    done = launch("check", "-m", "smol", stdin="hi", PYTHONPATH=str(tmp_path))
    assert "this is a bug in guard" in done.stderr
    assert done.returncode == INTERNAL_ERROR


@pytest.mark.parametrize("group", [[], ["taxonomy"], ["tune"]])
def test_a_group_without_a_command_shows_its_help(group: list[str]) -> None:
    done = guard(*group)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == guard(*group, "--help").stdout
