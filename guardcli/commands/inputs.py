"""Files and stdin as one stream of records, and what kind of stream it is."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from guardcli import formats
from guardcli.commands.options import PathOption, given
from guardcli.conversation import Conversation, Malformed, Record
from guardcli.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])

MAX_RECORD_BYTES = 1 << 20

files = click.argument("files", nargs=-1, metavar="[FILES]...")
input_format = click.option(
    "--input-format", type=click.Choice(formats.NAMES), help="Take the input as this format instead of sniffing it."
)
requests = click.option(
    "--requests",
    multiple=True,
    metavar="FILE",
    help="Batch requests that the answers in the input belong to, by `custom_id`. Repeatable.",
)
as_user = click.option(
    "--as-user",
    type=click.Choice(["system", "tool"]),
    multiple=True,
    help="Judge system or tool text as if the user had written it; else it is left out and counted. Repeatable.",
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


def help_for_a_person(files: Sequence[str]) -> bool:
    """Give the command's help on stderr instead of silence, if nothing is given and stdin is a terminal; whether so."""
    waits = waits_for_a_person(files)
    if waits:
        click.echo(click.get_current_context().get_help(), err=True)
    return waits


def waits_for_a_person(files: Sequence[str]) -> bool:
    """Whether nothing is given and stdin is a terminal: then help is better than silence."""
    return not files and sys.stdin is not None and sys.stdin.isatty()


def live(sources: Sequence[str]) -> bool:
    """Whether some input is no regular file: its records are answered as they arrive."""
    return not all(_regular(source) for source in sources)


@dataclass(frozen=True, slots=True)
class Reading:
    """How inputs are read: in which format if it is not to be found out, where in a JSON record the conversation is,
    and how long a record may be."""

    input_format: str | None = None
    messages_path: str | None = None
    max_record_bytes: int = MAX_RECORD_BYTES

    def records(
        self,
        sources: Sequence[str],
        *,
        start: int = 1,
        requests: Mapping[str, Conversation] | None = None,
        on_detect: Callable[[str, str], None] = lambda _source, _format: None,
    ) -> Iterator[Record | Malformed]:
        """The records of all inputs, in order, from line `start` of each on. `on_detect` is told (source, format).

        Raises:
            InputError: one cannot be opened.
        """
        for source in sources:
            with formats.open_source(source) as stream:
                found = formats.read(
                    stream,
                    source,
                    format=self.input_format,
                    messages_path=self.messages_path,
                    max_record_bytes=self.max_record_bytes,
                    start=start,
                    on_detect=lambda name, source=source: on_detect(source, name),  # type: ignore[misc]
                )
                yield from found if requests is None else (_joined(record, requests) for record in found)


_READING_OPTIONS = (
    input_format,
    click.option(
        "--messages-path",
        type=PathOption(),
        metavar="PATH",
        help="Where in a JSON record the conversation is, such as payload.chat[0].messages.",
    ),
    click.option(
        "--max-record-bytes",
        type=click.IntRange(min=1024),
        metavar="N",
        default=MAX_RECORD_BYTES,
        show_default=True,
        help="A longer record is an error row.",
    ),
)


def reading_options(command: F) -> F:
    """Give a command the options on how inputs are read; it gets them as `reading`."""

    @wraps(command)
    def reads(*args: Any, **options: Any) -> Any:
        own = {field.name: options.pop(field.name) for field in fields(Reading)}
        return command(*args, reading=Reading(**own), **options)

    reading: F = given(reads, _READING_OPTIONS)  # type: ignore[assignment]
    return reading


def asked(files: Sequence[str]) -> dict[str, Conversation] | None:
    """The conversations of batch requests by their `custom_id`, all in memory; None if no file is named.

    Raises:
        InputError: a request cannot be read, or two have one id.
    """
    if not files:
        return None
    found: dict[str, Conversation] = {}
    for record in Reading().records(sources(files)):
        place, id_ = record.key.place, record.key.id
        if isinstance(record, Malformed) or id_ is None:
            reason = record.reason if isinstance(record, Malformed) else "it has no custom_id"
            raise InputError(f"{place}: no request: {reason}")
        if id_ in found:
            raise InputError(f"{place}: the custom_id {id_!r} stands twice among the requests")
        found[id_] = record.conversation
    return found


def _joined(record: Record | Malformed, requests: Mapping[str, Conversation]) -> Record | Malformed:
    """An answer behind what it answers."""
    if isinstance(record, Malformed):
        return record
    request = requests.get(record.key.id or "")
    if request is None:
        return Malformed(record.key, f"no request has its custom_id {record.key.id!r}", record.fields)
    messages = request.messages + record.conversation.messages
    return replace(record, conversation=replace(record.conversation, messages=messages))


def _regular(source: str) -> bool:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode if source == "-" else Path(source).stat().st_mode
    except (OSError, ValueError, AttributeError):  # a closed stdin is told when it is read
        return False
    return stat.S_ISREG(mode)
