"""Files and stdin as one stream of records, and what kind of stream it is."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from guardcli import formats
from guardcli.conversation import Malformed, Record
from guardcli.errors import InputError

MAX_RECORD_BYTES = 1 << 20

files = click.argument("files", nargs=-1, metavar="[FILES]...")
input_format = click.option(
    "--input-format", type=click.Choice(formats.NAMES), help="Take the input as this format instead of sniffing it."
)
messages_path = click.option(
    "--messages-path",
    metavar="PATH",
    callback=lambda _ctx, _param, value: _path(value),
    help="Where in a JSON record the conversation is, such as payload.chat[0].messages.",
)
as_user = click.option(
    "--as-user",
    type=click.Choice(["system", "tool"]),
    multiple=True,
    help="Judge system or tool text as if the user had written it; else it is left out and counted. Repeatable.",
)
max_record_bytes = click.option(
    "--max-record-bytes",
    type=click.IntRange(min=1024),
    metavar="N",
    default=MAX_RECORD_BYTES,
    show_default=True,
    help="A longer record is an error row.",
)


def sources(files: Sequence[str]) -> tuple[str, ...]:
    """The inputs by name, stdin ("-") if there are none.

    Raises:
        InputError: one does not exist, or cannot be read: told before a model is loaded.
    """
    for file in files:
        if file == "-":
            continue
        if not os.path.exists(file):
            raise InputError(f"{file}: no such file")
        if os.path.isdir(file):
            raise InputError(f"{file} is a folder; name the files in it")
        if not os.access(file, os.R_OK):
            raise InputError(f"{file}: permission denied")
    return tuple(files) or ("-",)


def waits_for_a_person(files: Sequence[str]) -> bool:
    """Whether nothing is given and stdin is a terminal: then help is better than silence."""
    return not files and sys.stdin is not None and sys.stdin.isatty()


def live(sources: Sequence[str]) -> bool:
    """Whether some input is no regular file: its records are answered as they arrive."""
    return not all(_regular(source) for source in sources)


def records(
    sources: Sequence[str],
    *,
    input_format: str | None,
    messages_path: str | None = None,
    max_record_bytes: int = MAX_RECORD_BYTES,
    start: int = 1,
    on_detect: Callable[[str, str], None] = lambda _source, _format: None,
) -> Iterator[Record | Malformed]:
    """The records of all inputs, in order, from line `start` of each on. `on_detect` is told (source, format).

    Raises:
        InputError: one cannot be opened.
    """
    for source in sources:
        with formats.open_source(source) as stream:
            yield from formats.read(
                stream,
                source,
                format=input_format,
                messages_path=messages_path,
                max_record_bytes=max_record_bytes,
                start=start,
                on_detect=lambda name, source=source: on_detect(source, name),  # type: ignore[misc]
            )


def _path(value: str | None) -> str | None:
    if value is not None:
        try:
            formats.parse_path(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return value


def _regular(source: str) -> bool:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode if source == "-" else Path(source).stat().st_mode
    except (OSError, ValueError, AttributeError):  # a closed stdin is told when it is read
        return False
    return stat.S_ISREG(mode)
