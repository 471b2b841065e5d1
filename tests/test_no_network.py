"""No command but `guard models pull` opens a connection: every one is run while sockets are watched."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from guardcli.cli.lazy import LazyGroup
from guardcli.cli.main import cli
from tests import tiny
from tests.cli.running import guard

MODEL = ["-m", "llama-guard-3.gguf", "--threads", "1"]
POLICY = "name: p\nextends: llama-guard-3\ntests:\n  - {name: t, prompt: hi, expect: safe}\n"
LABELED = '{"prompt": "hi", "label": "safe"}\n{"prompt": "kill", "label": "unsafe"}\n'

# Every command with arguments that let it do its work; those of training end where they need what is not here.
COMMANDS = {
    "audit": ["prompts.txt", "-o", "audited.jsonl", *MODEL],
    "check": ["prompts.txt", *MODEL],
    "decide": ["verdicts.jsonl", "-t", "p.yaml"],
    "diff": ["verdicts.jsonl", "verdicts.jsonl"],
    "doctor": [*MODEL],
    "eval": ["labeled.jsonl", *MODEL],
    "filter": ["prompts.txt", *MODEL],
    "merge": ["shard.jsonl", "-o", "merged.jsonl"],
    "models info": ["llama-guard-3.gguf"],
    "models list": ["--local"],
    "report": ["verdicts.jsonl", "-o", "report.html"],
    "schema": ["verdict"],
    "taxonomy list": [],
    "taxonomy new": ["fresh"],
    "taxonomy render": ["p.yaml", "prompts.txt", "-m", "llama-guard-3.gguf"],
    "taxonomy schema": [],
    "taxonomy show": ["p.yaml"],
    "taxonomy test": ["p.yaml", *MODEL],
    "taxonomy validate": ["p.yaml"],
    "tune export": ["no-run", "-o", "adapter.gguf"],
    "tune prepare": ["labeled.jsonl", "-o", "train.jsonl", "--template", "llama-guard-3-8b"],
    "tune train": ["--base", "no-base", "--data", "labeled.jsonl", "-o", "run"],
}
NETWORK = {"models pull"}

_events: list[str] | None = None


def _watch(event: str, _arguments: object) -> None:
    if _events is not None and event.startswith("socket.") and event != "socket.gethostname":
        _events.append(event)


@pytest.fixture
def events() -> Iterator[list[str]]:
    """What is done with sockets while a test runs."""
    global _events
    _events = []
    yield _events
    _events = None


@pytest.fixture(scope="module", autouse=True)
def watched() -> None:
    sys.addaudithook(_watch)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offline")
    tiny.write(folder / "llama-guard-3.gguf", answers=True)
    (folder / "prompts.txt").write_text("hi\n")
    (folder / "labeled.jsonl").write_text(LABELED)
    (folder / "p.yaml").write_text(POLICY)
    rows = guard("check", "prompts.txt", *MODEL, "--format", "json", cwd=folder).stdout
    (folder / "verdicts.jsonl").write_text(rows)
    guard("audit", "prompts.txt", "-o", "shard.jsonl", "--shard", "1/1", *MODEL, cwd=folder)
    return folder


def names_of(group: click.Group, before: str = "") -> Iterator[str]:
    context = click.Context(group, **group.context_settings)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, LazyGroup):
            yield from names_of(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_is_here() -> None:
    assert set(names_of(cli)) == {*COMMANDS, *NETWORK}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_touches_a_socket(command: str, desk: Path, events: list[str]) -> None:
    done = guard(*command.split(), *COMMANDS[command], cwd=desk, HF_HUB_CACHE=str(desk / "hub"))
    assert events == []
    if command in ("tune export", "tune train"):
        assert done.returncode == 2
    else:
        assert done.returncode in (0, 1, 3), done.stderr


@pytest.mark.parametrize("name", ["llama-guard-3-8b", "hf:a/b", "ollama:llama-guard3"])
def test_no_name_is_looked_up_elsewhere(name: str, desk: Path, events: list[str]) -> None:
    done = guard("check", "-m", name, stdin="hi\n", cwd=desk, HF_HUB_CACHE=str(desk), OLLAMA_MODELS=str(desk))
    assert (done.returncode, events) == (2, [])


def test_only_pulling_imports_the_hubs_library() -> None:
    """It may be imported by the libraries of training, which are told to stay offline."""
    package = Path(import_module("guardcli").__file__ or "").parent
    users = [path.name for path in package.rglob("*.py") if 'huggingface_hub"' in path.read_text("utf-8")]
    assert users == ["download.py"]
    callers = [
        str(path.relative_to(package)) for path in package.rglob("*.py") if "models.download" in path.read_text("utf-8")
    ]
    assert callers == ["cli/models/pull.py"]


def test_a_socket_would_be_noticed(events: list[str]) -> None:
    with socket.socket() as connection, pytest.raises(ConnectionRefusedError):
        connection.connect(("127.0.0.1", 1))
    assert "socket.connect" in events
