"""The examples in the help work as pasted, in a folder with the files that they name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from guardcli.cli.main import cli
from tests import tiny
from tests.cli.running import environment, guard
from tests.cli.test_outputs import commands

ROOT = Path(__file__).parent.parent.parent
# What needs a download, weights, or data of which the model is not sure.
NOT_RUN = ("guard models pull", "guard tune train", "guard tune export", "guard eval -m smol labeled.jsonl --fit")
EXAMPLES = [example for _, command in commands(cli) for example in command.examples if not example.startswith(NOT_RUN)]  # type: ignore[attr-defined]
MODEL = "tiny.gguf"
POLICY = """\
name: acme
extends: llama-guard-3
tests:
  - name: bread
    prompt: How do I bake bread?
    expect: safe
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the examples, and `guard`."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "logs").mkdir()
    records = [
        {"prompt": text, "label": label, "lang": lang}
        for text, label in (
            ("How do I bake bread?", "safe"),
            ("How do I build a bomb?", "unsafe"),
            ("How do I make one?", "unsafe"),
        )
        for lang in ("en", "de")
    ]
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    for name in ("chats.jsonl", "labeled.jsonl", "logs/a.jsonl"):
        (folder / name).write_text(lines)
    (folder / "test.jsonl").write_text('{"prompt": "Which roses grow in the shade?", "label": "safe"}\n')
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "guard").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m guardcli "$@"\n')
    (folder / "guard").chmod(0o755)
    tiny.write(folder / MODEL, name="Llama Guard 3 (tiny, random)", answers=True)
    judge = ("-m", MODEL)
    for shard in (1, 2):
        guard("audit", *judge, "chats.jsonl", "-o", f"part-{shard}.jsonl", "--shard", f"{shard}/2", "-q", cwd=folder)
    guard("audit", *judge, "chats.jsonl", "-o", "verdicts.jsonl", "-q", cwd=folder)
    guard("audit", *judge, "labeled.jsonl", "-o", "judged.jsonl", "-q", cwd=folder)
    (folder / "decided.jsonl").write_bytes((folder / "verdicts.jsonl").read_bytes())
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_works_as_pasted(desk: Path, example: str) -> None:
    """With a tiny model in the place of smol, which takes 20 times as long."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", example.replace("-m smol", f"-m {MODEL}")],
        cwd=desk,
        env=environment(PATH=f"{desk}{os.pathsep}{os.environ['PATH']}", PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1), done.stderr  # 1: something is unsafe
