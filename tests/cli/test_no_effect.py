"""Options that do nothing together with others are named on stderr, by one table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from guardcli.cli.main import cli
from guardcli.cli.no_effect import NO_EFFECT, NoEffect, no_effect_notices
from tests.cli.running import guard

ARGUMENTS = {
    "audit": ["in.jsonl", "-o", "out"],
    "test": ["policy.yaml"],
    "new": ["acme"],
    "prepare": ["-o", "out", "--template", "llama-guard-3-8b"],
}
VALUES = {
    "--lora": "a.gguf",
    "--calibration": "c.json",
    "--threshold": "0.3",
    "--made-safe": "0.3",
    "--describe": "0.3",
    "--extends-root": ".",
    "--ray": "local",
    "--date": "2026-01-31",
    "--score-field": "a=b",
    "--label-field": "label",
    "--text-field": "a",
    "--ignore": "a",
    "--max-prompt-tokens": "512",
    "--max-record-bytes": "2048",
}


def commands(group: click.Group = cli) -> Iterator[click.Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


COMMANDS = {command.name: command for command in commands() if command.name not in ("list", "schema")}
CASES = [
    (entry, command, option)
    for entry in NO_EFFECT
    for command in sorted(entry.commands)
    for option in sorted(entry.options)
]


def words_for(command: click.Command, condition: str) -> list[str]:
    """A condition as a user writes it."""
    name, _, value = condition.partition(" ")
    for param in command.params:
        if isinstance(param, click.Argument) and name in (param.metavar or ""):
            return ["labeled.jsonl"]
        if name in param.opts:
            if isinstance(param, click.Option) and (param.is_flag or param.count):
                return [name]
            choices = getattr(param.type, "choices", None)
            return [name, value or VALUES.get(name) or (str(choices[0]) if choices else "1")]
    raise AssertionError(f"{command.name} has no {name}")


def notices(command: click.Command, words: list[str]) -> list[str]:
    name = command.name or ""
    with command.make_context(name, [*ARGUMENTS.get(name, []), *words]) as context:
        return list(no_effect_notices(name, context))


@pytest.mark.parametrize(("entry", "command", "option"), CASES, ids=lambda value: getattr(value, "reason", value))
def test_every_entry_of_the_table(
    entry: NoEffect, command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GUARD_MODEL", raising=False)
    monkeypatch.delenv("GUARD_TAXONOMY", raising=False)
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    tested = COMMANDS[command]
    words = words_for(tested, option)
    for condition in entry.given or ("",):
        given = words_for(tested, condition) if condition else []
        if option in given:
            continue
        assert any(one.startswith(f"{option} has no effect") for one in notices(tested, [*words, *given]))
        for other in entry.unless:
            rest = notices(tested, [*words, *given, *words_for(tested, other)])
            assert f"{option} has no effect {entry.reason}" not in rest
    if entry.given and not entry.unless:
        default: Any = next(param for param in tested.params if entry.given[0].split()[0] in param.opts)
        if str(default.default) != entry.given[0].partition(" ")[2]:
            assert f"{option} has no effect {entry.reason}" not in notices(tested, words)


def test_a_user_is_told_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "hi"}\n')
    done = guard("check", "--paths", "--threads", "2", "--keep", "id", "in.jsonl", cwd=tmp_path)
    assert done.stderr.splitlines() == [
        "guard: --threads has no effect with --paths",
        "guard: --keep has no effect with --paths",
    ]
    assert (done.returncode, done.stdout.splitlines()[2:]) == (0, ["judged       1   prompt"])


def test_what_the_environment_or_a_default_sets_is_not_noticed(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "hi"}\n')
    done = guard("check", "--paths", "in.jsonl", cwd=tmp_path, GUARD_MODEL="smol", GUARD_TAXONOMY="llama-guard-3")
    assert done.stderr == ""
