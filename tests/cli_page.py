"""docs/cli.md, made of the help of every command. `python -m tests.cli_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from guardcli.cli.main import cli

CLI_PAGE = Path(__file__).parent.parent / "docs" / "cli.md"

_WIDTH = 78  # columns: of a terminal with 80, as click leaves two free
_HEAD = """# Command line

This page is what `guard COMMAND --help` prints.

Options come in the same groups and the same order everywhere. A number of rows, a fraction and a percentage are
alike: `--max-errors 1` allows one row, `--max-errors 100%` all of them, and `0.3` is the same as `30%`.

With guard on the path, `man guard` and `man guard-check` show the same.

## Completion

Bash, Zsh and Fish complete commands, options and their values. For Bash:

```text
eval "$(_GUARD_COMPLETE=bash_source guard)"
```

For Zsh write `zsh_source`, and for Fish `_GUARD_COMPLETE=fish_source guard | source`. To have it in every shell, put
the line into the shell's startup file.
"""


def cli_page() -> str:
    """Return the text of docs/cli.md."""
    sections = (f"\n## {name}\n\n```text\n{text}\n```\n" for name, text in helps())
    return _HEAD + "".join(sections)


def helps(
    command: click.Command = cli, name: str = "guard", parent: click.Context | None = None, *, width: int = _WIDTH
) -> Iterator[tuple[str, str]]:
    """Yield the name and the help of a command, and of those below it. `width` is in columns."""
    context = command.make_context(name.split()[-1], [], parent, resilient_parsing=True, terminal_width=width)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            inner = command.get_command(context, child)
            assert inner is not None
            yield from helps(inner, f"{name} {child}", context, width=width)


if __name__ == "__main__":
    CLI_PAGE.write_text(cli_page(), "utf-8")
