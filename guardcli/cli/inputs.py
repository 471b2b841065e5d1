"""The files that a command reads, and the options that say how."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.options import PathOption, PathsOption, add_options
from guardcli.errors import InputError
from guardcli.files.similar import similar_file
from guardcli.formats import INPUT_FORMATS, MAX_RECORD_BYTES, ReadOptions

F = TypeVar("F", bound=Callable[..., Any])

files_argument = click.argument("files", nargs=-1, metavar="[FILES]...")
input_format_option = click.option(
    "--input-format",
    type=click.Choice(INPUT_FORMATS),
    metavar="FORMAT",
    help=f"Read the input as this format instead of detecting it: {', '.join(INPUT_FORMATS)}.",
)
requests_option = click.option(
    "--requests",
    multiple=True,
    metavar="FILE",
    help="The requests of a batch API run whose answers are judged; joined by `custom_id`. Repeatable.",
)
as_user_option = click.option(
    "--as-user",
    type=click.Choice(["system", "developer", "tool"]),
    multiple=True,
    help="Judge messages of this role as if the user had written them. Default: count them in `skipped`. Repeatable.",
)


def resolve_sources(files: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the inputs, or "-" (stdin) if there are none.

    Raises:
        InputError: A file does not exist or cannot be read. Checked here, before a model is loaded.
    """
    for file in files:
        if file == "-":
            if sys.stdin is not None and sys.stdin.isatty():
                output.echo_err("guard: reading from the terminal; Ctrl-D ends the input")
            continue
        if not os.path.exists(file):
            raise InputError(*_not_found(file), code="input/not-found")
        if os.path.isdir(file):
            raise InputError(
                f"{file} is a folder; name the files in it, or judge all of them with guard audit",
                code="input/not-regular",
            )
        if not os.access(file, os.R_OK):
            raise InputError(f"{file}: permission denied", code="input/unreadable")
    return tuple(files) or ("-",)


def _not_found(file: str) -> list[str]:
    """Return the message for a file that does not exist; it may be a slip, or text that somebody wants judged."""
    if similar := similar_file(file):
        return [f"{file}: no such file; did you mean {similar}?"]
    if len(file.split()) > 1:
        path = click.get_current_context().command_path
        return [f"{file}: no such file", f"To judge text, pipe it: echo {shlex.quote(file)} | {path}"]
    return [f"{file}: no such file"]


def is_input_missing(files: Sequence[str]) -> bool:
    """Return whether the command would wait for input from a terminal; then say on stderr how to give it some."""
    if not stdin_is_interactive(files):
        return False
    context = click.get_current_context()
    assert isinstance(context.command, GuardCommand)
    output.echo_err(
        "guard: no input: name a file, or pipe one in, such as:",
        f"  {context.command.examples[0]}",
        f"{context.command_path} --help lists the options.",
    )
    return True


def stdin_is_interactive(files: Sequence[str]) -> bool:
    """Return whether no file is named and stdin is a terminal."""
    return not files and sys.stdin is not None and sys.stdin.isatty()


def is_live(sources: Sequence[str]) -> bool:
    """Return whether an input is a pipe or a terminal, so that each record must be answered as it arrives."""
    return not all(_is_regular(source) for source in sources)


# The parameter of each option → the field of ReadOptions.
_FIELDS = {
    "input_format": "format",
    "messages_path": "messages_path",
    "max_record_bytes": "max_record_bytes",
    "ignore": "ignore",
    "text_field": "text_fields",
}

_READ_OPTIONS = (
    input_format_option,
    click.option(
        "--messages-path",
        type=PathOption(),
        metavar="PATH",
        help="Where the conversation is in a JSON record, such as payload.chat[0].messages.",
    ),
    click.option(
        "--max-record-bytes",
        type=click.IntRange(min=1024),
        metavar="N",
        default=MAX_RECORD_BYTES,
        show_default=True,
        help="Longer records become error rows.",
    ),
    click.option(
        "--ignore",
        type=PathsOption(),
        metavar="PATHS",
        help="Fields whose text is not judged, such as title,messages[].note.",
    ),
    click.option(
        "--text-field",
        type=PathsOption(),
        multiple=True,
        metavar="PATH",
        help="Judge the text of this field too, as a user's message in its own row. Repeatable.",
    ),
)


def read_options(command: F) -> F:
    """Add the options of reading; the command gets them as `read_options`."""

    @wraps(command)
    def with_read_options(*args: Any, **options: Any) -> Any:
        values = {name: options.pop(option) for option, name in _FIELDS.items()}
        return command(*args, read_options=ReadOptions(**values), **options)

    decorated: F = add_options(with_read_options, _READ_OPTIONS)  # type: ignore[assignment]
    return decorated


def _is_regular(source: str) -> bool:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode if source == "-" else Path(source).stat().st_mode
    except (OSError, ValueError, AttributeError):  # reading a closed stdin reports the error
        return False
    return stat.S_ISREG(mode)
