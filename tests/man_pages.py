"""The man pages in man/, made of the help of every command. `python -m tests.man_pages` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from guardcli import __version__
from guardcli.cli.command import GuardCommand
from guardcli.cli.lazy import LazyGroup
from guardcli.cli.main import cli

MAN_PAGES = Path(__file__).parent.parent / "man"

_BREAK = "\\:"  # where a word may be broken without a hyphen
_VERBATIM = "\b\n"  # click's mark of a paragraph that is not filled


def man_pages() -> dict[str, str]:
    """Return the pages by their file names, such as `guard-check.1`."""
    return {f"{name.replace(' ', '-')}.1": page for name, page in _pages(cli, "guard")}


def _pages(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """Yield the name and the page of a command, and of those below it."""
    context = command.make_context(name.split()[-1], [], parent, resilient_parsing=True)
    yield name, "".join(f"{line}\n" for line in _page(command, name, context))
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            inner = command.get_command(context, child)
            assert inner is not None
            yield from _pages(inner, f"{name} {child}", context)


def _page(command: click.Command, name: str, context: click.Context) -> Iterator[str]:
    assert isinstance(command, (GuardCommand, LazyGroup))
    title = name.replace(" ", "-")
    paragraphs = (command.help or "").split("\n\n")
    yield f'.TH {title.upper()} 1 "" "guard {__version__}" "guard"'
    yield from (".ad l", ".nh")  # aligned to the left, without hyphenation
    yield from (".SH NAME", f"{_escaped(title)} \\- {_escaped(' '.join(paragraphs[0].split()).rstrip('.'))}")
    yield from (".SH SYNOPSIS", f".B {_escaped(name)}", _escaped(" ".join(command.collect_usage_pieces(context))))
    yield ".SH DESCRIPTION"
    for paragraph in paragraphs:
        yield ".PP"
        yield from _paragraph(paragraph)
    if isinstance(command, LazyGroup):
        yield from _list("COMMANDS", {f"{name} {child}": summary for child, summary in command.summaries.items()})
        records = (param.get_help_record(context) for param in command.get_params(context))
        yield from _list("OPTIONS", dict(record for record in records if record))
    else:
        for group, options in command.grouped_options(context).items():
            yield from _list(f"{group.upper()} OPTIONS", dict(options))
    yield from _list("EXIT STATUS", {str(code): meaning for code, meaning in command.exits.items()})
    yield from _examples(command.examples)
    others = [f"guard-{child}" for child in cli.list_commands(context)] if name == "guard" else ["guard"]
    yield from (".SH SEE ALSO", ", ".join(f"\\fB{_escaped(other)}\\fR(1)" for other in others))


def _paragraph(text: str) -> Iterator[str]:
    if text.startswith(_VERBATIM):
        yield from (".nf", *map(_line, text.removeprefix(_VERBATIM).splitlines()), ".fi")
    else:
        yield _line(" ".join(text.split()))


def _list(heading: str, entries: Mapping[str, str]) -> Iterator[str]:
    if entries:
        yield f".SH {heading}"
    for term, description in entries.items():
        yield from (".TP", f".B {_escaped(term).replace('|', '|' + _BREAK)}", _line(" ".join(description.split())))


def _examples(examples: Sequence[str]) -> Iterator[str]:
    if examples:
        yield from (".SH EXAMPLES", ".nf", *map(_line, examples), ".fi")


def _line(text: str) -> str:
    """A line of text, which roff must not take for a request."""
    escaped = _escaped(text)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _escaped(text: str) -> str:
    """Text in which roff sees no escape; hyphens can be copied into a shell."""
    return re.sub(r"[\\-]", lambda match: {"\\": "\\e", "-": "\\-"}[match[0]], text)


if __name__ == "__main__":
    MAN_PAGES.mkdir(exist_ok=True)
    for stale in MAN_PAGES.glob("*.1"):
        stale.unlink()
    for file_name, page in man_pages().items():
        (MAN_PAGES / file_name).write_text(page, "utf-8")
