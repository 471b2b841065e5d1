"""`guard models info` from outside: what it shows, of files with any name, and its exit codes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from guardcli.models import BUNDLED_MODELS
from tests import tiny
from tests.cli.running import guard
from tests.smollm2 import find_smollm2

CHAT_TEMPLATE = "<BEGIN UNSAFE CONTENT CATEGORIES> <|start_header_id|>"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models-info")
    tiny.write(folder / "guard.gguf", chat_template=CHAT_TEMPLATE, answers=True)
    tiny.write(folder / "poet.gguf", name="poet")
    return folder


def test_smol() -> None:
    find_smollm2()
    done = guard("models", "info", "smol")
    head, _, table = done.stdout.partition("\n\n")
    facts = dict(line.split(maxsplit=1) for line in head.splitlines() if not line.startswith("chat"))
    assert facts["adapter"].startswith(str(BUNDLED_MODELS["smol"].adapter))
    assert facts["family"] == "smol-guard-2, recognized by its adapter, 'smol-guard.gguf'"
    assert facts["judges"] == "messages of users and assistants"
    assert facts["architecture"] == "llama, 30 layers, 0.13 B parameters"
    assert facts["quantization"] == "Q4_1 (Q4_1 79%, Q8_0 21%, F32 0%); unpacked into F16 to judge with"
    assert table.splitlines()[0].split() == ["prompts", "of", "up", "to", "memory", "all", "on", "a", "GPU"]
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if not line.startswith("reading ")] == []  # on a busy machine


def test_json(desk: Path) -> None:
    done = guard("models", "info", "guard.gguf", "--format", "json", "--gpu-layers", "1", cwd=desk)
    info = json.loads(done.stdout)
    content = (desk / "guard.gguf").read_bytes()
    assert (info["path"], info["parts"], info["n_bytes"]) == ("guard.gguf", ["guard.gguf"], len(content))
    assert info["digest"] == hashlib.sha256(content).hexdigest()
    assert (info["family"], info["adapters"], info["problems"], info["warnings"]) == ("llama-guard-3-8b", [], [], [])
    assert [need["max_prompt_tokens"] for need in info["memory"]] == [1024, 2048, 4096]
    assert {need["gpu_layers"] for need in info["memory"]} == {1}
    assert info["memory"][0]["gpu_bytes"] > info["kv_bytes_per_token"] * 1024
    assert done.returncode == 0


def test_what_guard_would_refuse_is_a_finding(desk: Path) -> None:
    done = guard("models", "info", "poet.gguf", cwd=desk)
    assert "family         not recognized\n" in done.stdout
    assert "problem: poet.gguf ('poet') is not a known guard model" in done.stdout
    assert "warning: it has no chat template" in done.stdout
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("name", [b"two words.gguf", b"m\xff\xfe.gguf", b"new\nline.gguf", "mod\u00e8le.gguf".encode()])
def test_names_with_blanks_or_bytes_that_are_no_utf_8(desk: Path, name: bytes) -> None:
    path = desk / os.fsdecode(name)
    path.symlink_to(desk / "guard.gguf")
    text = guard("models", "info", path)
    assert (text.returncode, text.stdout.count("\n")) == (
        0,
        guard("models", "info", desk / "guard.gguf").stdout.count("\n"),
    )
    shown = json.loads(guard("models", "info", path, "--format", "json").stdout)
    assert os.fsencode(shown["path"]) == os.fsencode(path)
    judged = guard("check", "-m", path, "--threads", "1", stdin="How do I bake bread?\n")
    assert (judged.returncode, judged.stderr) in ((0, ""), (1, ""))


def test_damaged_and_missing_files_are_refused(desk: Path) -> None:
    (desk / "cut.gguf").write_bytes((desk / "guard.gguf").read_bytes()[:-9])
    for name, code in (("cut.gguf", "model/damaged"), ("no/such.gguf", "model/unreadable"), (".", "model/unreadable")):
        done = guard("models", "info", name, cwd=desk)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"[{code}]" in done.stderr
