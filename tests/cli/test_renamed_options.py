"""Old names of options: each works as the new one does, with one line on stderr, and is in no help."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from guardcli.cli.main import cli
from guardcli.cli.renamed_options import RENAMED_OPTIONS, RenamedOption
from tests.cli.running import guard
from tests.cli.test_outputs import commands

COMMANDS = dict(commands(cli))
VALUES = {"--max-prompt-tokens": "512", "--dataset": "xstest", "--slice-by": "lang"}  # of other options: x
REQUIRED = {
    "audit": ["in", "-o", "out"],
    "decide": ["-t", "llama-guard-3"],
    "taxonomy test": ["llama-guard-3"],
    "tune prepare": ["-o", "out", "--template", "llama-guard-3-8b"],
}


def places() -> Iterator[tuple[str, RenamedOption]]:
    """Each command with an option that was renamed."""
    for name, command in COMMANDS.items():
        opts = {opt for param in command.params for opt in param.opts}
        for renamed in RENAMED_OPTIONS:
            if (command.name in renamed.commands or not renamed.commands) and {renamed.new, renamed.old} & opts:
                yield name, renamed


def parse(name: str, arguments: list[str]) -> dict[str, object]:
    """Return the values of a command's parameters; those that can only be compared by their text, as text."""
    with COMMANDS[name].make_context(name, [*REQUIRED.get(name, []), *arguments]) as context:
        return {param: repr(value) for param, value in context.params.items()}


PLACES = list(places())


def is_flag(name: str, spelling: str) -> bool:
    (option,) = (param for param in COMMANDS[name].params if spelling in param.opts)
    return isinstance(option, click.Option) and option.is_flag


def test_every_entry_of_the_table_is_used() -> None:
    assert {renamed.old for _, renamed in PLACES} == {renamed.old for renamed in RENAMED_OPTIONS}


@pytest.mark.parametrize(("name", "renamed"), PLACES, ids=[f"{name} {renamed.old}" for name, renamed in PLACES])
def test_the_old_name_does_what_the_new_one_does(
    name: str, renamed: RenamedOption, capsys: pytest.CaptureFixture[str]
) -> None:
    if not renamed.is_same_option:
        pytest.skip("the old option is an option of its own")
    value = [] if is_flag(name, renamed.new) else [VALUES.get(renamed.new, "x")]
    new = parse(name, [renamed.new, *value])
    assert capsys.readouterr().err == ""
    assert new != parse(name, [])
    assert parse(name, [renamed.old, *value]) == new
    assert capsys.readouterr().err == f"guard: {renamed.old} is now {renamed.new}; the old name works until 0.3\n"
    if value:
        assert parse(name, [f"{renamed.old}={value[0]}"]) == new


@pytest.mark.parametrize(("name", "renamed"), PLACES, ids=[f"{name} {renamed.old}" for name, renamed in PLACES])
def test_the_old_name_is_in_no_help(name: str, renamed: RenamedOption) -> None:
    shown = guard(*name.split(), "--help").stdout.replace("\n", " ").split()
    assert renamed.old not in shown


def test_both_names_of_an_option_that_repeats_keep_their_order() -> None:
    assert parse("eval", ["--by", "a", "--slice-by", "b"])["slice_by"] == "('a', 'b')"


def test_a_value_that_looks_like_an_old_name_is_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse("check", ["--keep", "--force"])["keep"] == "('--force',)"
    assert capsys.readouterr().err == ""


def test_the_old_options_of_an_html_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse("eval", ["--html", "page.html", "--no-text"])["html"] == "PosixPath('page.html')"
    assert capsys.readouterr().err == (
        "guard: --html is now --format html -o FILE; the old name works until 0.3\n"
        "guard: --no-text is now the default (--with-text adds the messages); the old name works until 0.3\n"
    )
