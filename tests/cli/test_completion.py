"""Shells complete commands, options, their values, files, policies and models."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from guardcli.cli.main import cli
from guardcli.models.registry import REGISTRY
from guardcli.taxonomy import bundled_taxonomies
from tests.cli.running import environment
from tests.cli.test_outputs import commands

# What is neither a file nor the name of anything.
FREE_TEXT = {
    "check --keep",
    "audit --keep",
    "diff --keep",
    "report --time",
    "report --title",
    "models pull --quant",
    "taxonomy new name",
    "taxonomy render --category",
}
PARAMS = {
    f"{name} {max(param.opts, key=len)}": param
    for name, command in commands(cli)
    for param in command.params
    if not (isinstance(param, click.Option) and (param.hidden or param.is_flag))
}


def completions(*words: str) -> list[tuple[str, str]]:
    """The types and the values that are offered for the last word."""
    *before, incomplete = words
    items = ShellComplete(cli, {}, "guard", "_GUARD_COMPLETE").get_completions(before, incomplete)
    return [(item.type, item.value) for item in items]


def test_every_other_value_is_completed_or_parsed() -> None:
    assert {name for name, param in PARAMS.items() if param.type is click.STRING} == FREE_TEXT


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ch"], [("plain", "check")]),
        (["taxonomy", "va"], [("plain", "validate")]),
        (["check", "--tar"], [("plain", "--target")]),
        (["check", "--target", "a"], [("plain", "any"), ("plain", "assistant")]),
        (["check", "chats"], [("file", "chats")]),
        (["check", "-t", "openai"], [("file", "openai"), ("plain", "openai-moderation")]),
        (["check", "-m", "sm"], [("file", "sm"), ("plain", "smol")]),
        (["check", "-o"], []),
    ],
)
def test_what_is_offered(words: list[str], expected: list[tuple[str, str]]) -> None:
    assert completions(*words) == expected


def test_all_names_are_offered() -> None:
    assert {value for kind, value in completions("check", "-t", "") if kind == "plain"} == {*bundled_taxonomies()}
    assert {value for kind, value in completions("check", "-m", "") if kind == "plain"} == {"smol", *REGISTRY}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_files_and_names(tmp_path: Path) -> None:
    (tmp_path / "chats.jsonl").touch()
    (tmp_path / "guard").write_text(f'#!/bin/sh\nexec {sys.executable} -m guardcli "$@"\n')
    (tmp_path / "guard").chmod(0o755)
    script = """
        export PATH=$PWD:$PATH
        eval "$(_GUARD_COMPLETE=bash_source guard)"
        complete -p guard
        COMP_WORDS=(guard check -t openai); COMP_CWORD=3; _guard_completion guard; echo "${COMPREPLY[@]}"
        COMP_WORDS=(guard check chat); COMP_CWORD=2; _guard_completion guard; echo "files: ${#COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=environment(_GUARD_COMPLETE="") | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    first, *lines = done.stdout.splitlines()
    assert "-F _guard_completion" in first
    assert lines == ["openai-moderation", "files: 0"]  # where there are none, bash completes files
