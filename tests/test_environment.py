"""The environment of llama.cpp's libraries: set before they are loaded, and never over what the user has set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = "import os, sys, guardcli; {}; print(os.environ.get('GOMP_SPINCOUNT'), os.environ.get('GGML_NO_BACKTRACE'))"


def seen(action: str, **variables: str) -> list[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_", "GGML_"))}
    command = [sys.executable, "-c", CODE.format(action)]
    return subprocess.run(command, env=inherited | variables, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("action", ["guardcli.Guard", "from guardcli.cli import main; main._run(['--version'])"])
def test_it_is_set_for_the_command_and_for_the_library(action: str) -> None:
    assert seen(action)[-2:] == ["2000", "1"]


def test_importing_the_package_changes_nothing() -> None:
    assert seen("pass") == ["None", "None"]


def test_what_the_user_has_set_stays() -> None:
    assert seen("guardcli.Guard", GOMP_SPINCOUNT="7", GGML_NO_BACKTRACE="0") == ["7", "0"]
    assert seen("guardcli.Guard", OMP_WAIT_POLICY="active") == ["None", "1"]
