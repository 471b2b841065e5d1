"""`guard doctor` from outside: what it tells, and when it says that something is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.running import guard
from tests.smollm2 import find_smollm2

HERE = ["--template", "llama-guard-3-8b", "--threads", "1"]


def test_without_a_model() -> None:
    done = guard("doctor")
    names = [line.partition(":")[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert names == ["guard", "llama-cpp-python", "llama.cpp", "GPU offload", "free memory", "known models", "model"]
    assert "-DGGML_CUDA=ON" in done.stdout
    assert re.search(r"free memory: \d+\.\d GB\nknown models: .+ fits? \(guard models list; .+\)\n", done.stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_known_model_has_the_file_that_the_list_has() -> None:
    shown = guard("doctor").stdout
    listed = guard("models", "list").stdout
    fitting = re.findall(r"([\w.-]+) in (\w+)", shown.partition("known models: ")[2].splitlines()[0])
    assert fitting
    for name, quantization in fitting:
        assert re.search(rf"^{re.escape(name)} +\d+\.\d\d GB {quantization} ", listed, re.MULTILINE)


def test_a_model_that_does_not_answer(tiny_path: Path) -> None:
    done = guard("doctor", "-m", tiny_path, *HERE)
    assert "where the verdict is written  <- WRONG\n  the model or --template may be wrong" in done.stdout
    assert done.returncode == 1


def test_a_model_that_answers_at_random(guard_path: Path) -> None:
    done = guard("doctor", "-m", guard_path, *HERE, "--max-prompt-tokens", "1024")
    (mass,) = re.findall(r"answers: P\(safe\) \+ P\(unsafe\) is (\S+) where the verdict is written\n", done.stdout)
    assert 0.9 <= float(mass) <= 1
    assert re.search(r"GB of cache for [23],\d{3} tokens, 0\.\d\d GB of buffers\n", done.stdout)
    assert "needs: 0.00 GB for prompts of up to 1,024 tokens\n" in done.stdout
    assert re.search(r"tolerance: a score may move by [0-9.e-]+ in log-odds", done.stdout)
    assert "tokens/s" in done.stdout


@pytest.mark.slow
def test_the_model_that_ships_has_no_problem() -> None:
    find_smollm2()
    done = guard("doctor", "-m", "smol")
    assert "WRONG" not in done.stdout
    identity = r"SmolLM2-135M-Instruct\.Q4_1\.F16@b179c9523d0e\+smol-guard@\w+:1\.0"
    assert re.search(f"model: {identity}, template", done.stdout)
    assert done.returncode == 0


def test_a_model_that_cannot_be_loaded() -> None:
    done = guard("doctor", "-m", __file__)
    assert "is not a GGUF file" in done.stderr
    assert done.returncode == 2
