"""The help of every command: options in groups, in the same order everywhere, exit codes, examples."""

from __future__ import annotations

import click
import pytest

from guardcli.cli.command import GuardCommand, did_you_mean, option_group
from guardcli.cli.main import cli
from guardcli.cli.option_groups import OPTION_GROUPS
from tests.cli.running import guard
from tests.cli.test_outputs import commands

COMMANDS = dict(commands(cli))


def options(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option) and not param.hidden]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_a_group(name: str) -> None:
    command = COMMANDS[name]
    without = [
        option.opts for option in options(command) if option_group(command.name or "", option) not in OPTION_GROUPS
    ]
    assert without == []


def test_no_group_names_an_option_that_no_command_has() -> None:
    there = {opt for command in COMMANDS.values() for option in options(command) for opt in option.opts}
    named = {member.split()[-1] for members in OPTION_GROUPS.values() for member in members}
    assert named - there == {"--version", "--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_headings_come_in_the_order_of_the_groups(name: str) -> None:
    lines = guard(*name.split(), "--help").stdout.splitlines()
    headings = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    expected = [*(group for group in OPTION_GROUPS if group in headings), "Exit codes", "Examples"]
    assert headings == [heading for heading in expected if heading in headings]
    assert "General" in headings
    assert "Examples" in headings


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_description_that_is_a_sentence(name: str) -> None:
    for option in options(COMMANDS[name]):
        assert option.help, option.opts
        assert option.help[0].isupper(), option.help
        assert option.help.split("  [")[0].rstrip().endswith((".", "]")), option.help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_same_class(name: str) -> None:
    assert isinstance(COMMANDS[name], GuardCommand)


def test_exit_codes_of_guard() -> None:
    shown = guard("--help").stdout.split("Exit codes:\n")[1].split("\n\n")[0]
    codes = [line.split()[0] for line in shown.splitlines() if line[2] != " "]
    assert codes == ["0", "1", "2", "3", "70", "130", "141"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chek"], "Error: No such command 'chek'. Did you mean 'check'?\n"),
        (["taxonomy", "tst"], "Error: No such command 'tst'. Did you mean 'test'?\n"),
        (["qqq"], "Error: No such command 'qqq'.\n"),
        (
            ["check", "--format", "jsn"],
            "Error: Invalid value for '--format': 'jsn' is not one of 'text', 'json', 'openai'. Did you mean 'json'?\n",
        ),
        (
            ["check", "--only", "safe", "--only", "unsfe"],
            "'unsfe' is not one of 'unsafe', 'safe', 'error'. Did you mean 'unsafe'?\n",
        ),
        (["check", "--treshold", "1"], "Error: No such option '--treshold'. (Did you mean one of: "),
    ],
)
def test_did_you_mean(words: list[str], message: str) -> None:
    done = guard(*words)
    assert message in done.stderr
    assert done.returncode == 2


def test_a_name_that_is_like_none_gets_no_suggestion() -> None:
    assert did_you_mean("qqq", ["check", "filter"]) == ""
