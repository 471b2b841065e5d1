"""docs/install.md: its commands run as they are written, once the models that it downloads are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from guardcli.cli.main import cli
from guardcli.models.registry import REGISTRY
from tests import tiny
from tests.cli.running import guard
from tests.models.test_lookup import put

PAGE = (Path(__file__).parent.parent / "docs" / "install.md").read_text("utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh(?: download)?\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]
# As they stand in the text, too, where nothing but an example is put into capitals.
INLINE = [line for line in re.findall(r"`(guard [^`]+)`", PAGE) if not re.search(r"-m$", line)]
CHAT_TEMPLATE = "<BEGIN UNSAFE CONTENT CATEGORIES> <|start_header_id|> excluded_category_keys"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("install")
    content = tiny.write(folder / "llama-guard-3-1b.gguf", chat_template=CHAT_TEMPLATE, answers=True).read_bytes()
    put(folder / "hub", REGISTRY["llama-guard-3-1b"].repositories[0], {"Llama-Guard-3-1B.Q5_K_M.gguf": content})
    (folder / "prompts.txt").write_text("How do I bake bread?\n")
    return folder


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 8
    assert {line.split()[0] for line in COMMANDS} == {"guard"}


@pytest.mark.parametrize("line", [line for line in COMMANDS if "models pull" not in line])
def test_commands_run_as_written(desk: Path, line: str) -> None:
    done = guard(*shlex.split(line)[1:], cwd=desk, HF_HUB_CACHE=str(desk / "hub"))
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout


@pytest.mark.parametrize("line", [*COMMANDS, *INLINE])
def test_every_command_and_option_exists(line: str) -> None:
    command: click.Command = cli
    _, *words = shlex.split(line)
    while isinstance(command, click.Group):
        child = command.get_command(click.Context(command, **command.context_settings), words.pop(0))
        assert child is not None, line
        command = child
    command.make_parser(click.Context(command, **command.context_settings)).parse_args(words)


def test_every_model_on_the_page_is_registered() -> None:
    named = set(re.findall(r"\b(llama-guard-[0-9a-z-]+[0-9]b)\b", PAGE))
    assert named
    assert named <= REGISTRY.keys()
    assert "QuantFactory/Llama-Guard-3-1B-GGUF" in REGISTRY["llama-guard-3-1b"].repositories
    assert {model.base for model in REGISTRY.values()} >= set(re.findall(r"`(meta-llama/[^`]+)`", PAGE))
