"""The environment of llama.cpp's libraries: set before they are loaded, and never over what the user has set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NAMES = ("GOMP_SPINCOUNT", "GGML_NO_BACKTRACE", "OPENBLAS_NUM_THREADS")
CODE = f"import os, sys, guardcli; {{}}; print(*map(os.environ.get, {NAMES}))"


def seen(action: str, **variables: str) -> list[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GOMP_", "OMP_", "GGML_", "OPENBLAS_"))
    }
    command = [sys.executable, "-c", CODE.format(action)]
    return subprocess.run(command, env=inherited | variables, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("action", ["guardcli.Guard", "from guardcli.cli import main; main._run(['--version'])"])
def test_it_is_set_for_the_command_and_for_the_library(action: str) -> None:
    assert seen(action)[-3:] == ["2000", "1", "1"]


def test_importing_the_package_changes_nothing() -> None:
    assert seen("pass") == ["None", "None", "None"]


def test_what_the_user_has_set_stays() -> None:
    assert seen("guardcli.Guard", GOMP_SPINCOUNT="7", GGML_NO_BACKTRACE="0", OPENBLAS_NUM_THREADS="4") == [
        "7",
        "0",
        "4",
    ]
    assert seen("guardcli.Guard", OMP_WAIT_POLICY="active") == ["None", "1", "1"]
