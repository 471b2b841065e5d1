"""Read records from files and stdin, and the options that say how."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from guardcli import formats
from guardcli.cli import output
from guardcli.cli.options import PathOption, PathsOption, add_options
from guardcli.conversation import Conversation, Malformed, Record
from guardcli.errors import InputError
from guardcli.text.escaping import escape_terminal

F = TypeVar("F", bound=Callable[..., Any])

MAX_RECORD_BYTES = 1 << 20

files_argument = click.argument("files", nargs=-1, metavar="[FILES]...")
input_format_option = click.option(
    "--input-format",
    type=click.Choice(formats.INPUT_FORMATS),
    help="Take the input as this format instead of sniffing it.",
)
requests_option = click.option(
    "--requests",
    multiple=True,
    metavar="FILE",
    help="Batch requests that the answers in the input belong to, by `custom_id`. Repeatable.",
)
as_user_option = click.option(
    "--as-user",
    type=click.Choice(["system", "developer", "tool"]),
    multiple=True,
    help="Judge the operator's messages, or those of tools, as if the user had written them; else they are counted in "
    "`skipped`. Repeatable.",
)


def resolve_sources(files: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the inputs, or "-" (stdin) if there are none.

    Raises:
        InputError: A file does not exist or cannot be read. Checked here, before a model is loaded.
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


def show_help_if_interactive(files: Sequence[str]) -> bool:
    """If the command would wait for input from a terminal, write its help to stderr and return True."""
    interactive = stdin_is_interactive(files)
    if interactive:
        click.echo(click.get_current_context().get_help(), err=True)
    return interactive


def stdin_is_interactive(files: Sequence[str]) -> bool:
    """Return whether no file is named and stdin is a terminal."""
    return not files and sys.stdin is not None and sys.stdin.isatty()


def is_live(sources: Sequence[str]) -> bool:
    """Return whether an input is a pipe or a terminal, so that each record must be answered as it arrives."""
    return not all(_is_regular(source) for source in sources)


@dataclass(frozen=True, slots=True)
class InputOptions:
    """The options of reading, as `formats.read` takes them.

    Attributes:
        input_format: The format; detected if None.
        messages_path: Where in a JSON record the conversation is.
        max_record_bytes: A longer record is malformed.
        ignore: Comma-separated paths of metadata, whose text is not judged.
        text_field: Paths of text to judge in addition, as user messages.
    """

    input_format: str | None = None
    messages_path: str | None = None
    max_record_bytes: int = MAX_RECORD_BYTES
    ignore: str | None = None
    text_field: tuple[str, ...] = ()

    def read(
        self,
        sources: Sequence[str],
        *,
        start: int = 1,
        requests: Mapping[str, Conversation] | None = None,
        on_detect: Callable[[str, str], None] = lambda _source, _format: None,
        on_text: Callable[[str, str, str], None] | None = None,
    ) -> Iterator[Record | Malformed]:
        """Yield the records of all inputs in order.

        Args:
            sources: Paths of files, or "-" for stdin.
            start: The first line of each input to yield records from.
            requests: The requests of a batch run by `custom_id`; each record is an answer to one of them.
            on_detect: Called with (source, format) for each detected format.
            on_text: Called with (path, text, status) for each text of a JSON record.

        Raises:
            InputError: An input cannot be opened.
        """
        for source in sources:
            with formats.open_source(source) as stream:
                yield from self.read_stream(
                    stream, source, start=start, requests=requests, on_detect=on_detect, on_text=on_text
                )

    def read_stream(
        self,
        stream: BinaryIO,
        source: str,
        *,
        start: int = 1,
        first_line: int = 1,
        record_lines: formats.RecordLines | None = None,
        requests: Mapping[str, Conversation] | None = None,
        on_detect: Callable[[str, str], None] = lambda _source, _format: None,
        on_text: Callable[[str, str, str], None] | None = None,
    ) -> Iterator[Record | Malformed]:
        """Yield the records of one open input, or of a part of a file.

        Args:
            source: The name of the input in the keys.
            first_line: The number of the stream's first line in the file.
            record_lines: The result of `find_record_lines` for the file.
        """
        records = formats.read(
            stream,
            source,
            format=self.input_format,
            messages_path=self.messages_path,
            max_record_bytes=self.max_record_bytes,
            start=start,
            first_line=first_line,
            record_lines=record_lines,
            ignore=self.ignore,
            text_fields=self.text_field,
            on_detect=lambda name: on_detect(source, name),
            on_note=lambda note: output.echo_err(f"guard: {escape_terminal(source)}: {note}"),
            on_text=on_text,
        )
        return records if requests is None else (_join_request(record, requests) for record in records)

    def find_record_lines(self, stream: BinaryIO) -> formats.RecordLines | None:
        """Return where the records of a file begin if each of its records is on one line, else None."""
        return formats.find_record_lines(
            stream,
            format=self.input_format,
            messages_path=self.messages_path,
            max_record_bytes=self.max_record_bytes,
        )


_INPUT_OPTIONS = (
    input_format_option,
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
    click.option(
        "--ignore",
        type=PathsOption(),
        metavar="PATHS",
        help="These fields are metadata, such as title,messages[].note: text in them need not be judged.",
    ),
    click.option(
        "--text-field",
        type=PathsOption(),
        multiple=True,
        metavar="PATH",
        help="Judge the text of this field besides, as a user's message in a row of its own. Repeatable.",
    ),
)


def input_options(command: F) -> F:
    """Add the options of reading; the command gets them as `input_options`."""

    @wraps(command)
    def with_input_options(*args: Any, **options: Any) -> Any:
        values = {field.name: options.pop(field.name) for field in fields(InputOptions)}
        return command(*args, input_options=InputOptions(**values), **options)

    decorated: F = add_options(with_input_options, _INPUT_OPTIONS)  # type: ignore[assignment]
    return decorated


def load_requests(files: Sequence[str]) -> dict[str, Conversation] | None:
    """Return the conversations of batch requests by `custom_id`, or None if no file is named.

    Raises:
        InputError: A request cannot be read, or two have the same id.
    """
    if not files:
        return None
    conversations: dict[str, Conversation] = {}
    for record in InputOptions().read(resolve_sources(files)):
        location, id_ = record.key.location, record.key.id
        if isinstance(record, Malformed) or id_ is None:
            reason = record.reason if isinstance(record, Malformed) else "it has no custom_id"
            raise InputError(f"{location}: no request: {reason}")
        if id_ in conversations:
            raise InputError(f"{location}: the custom_id {id_!r} stands twice among the requests")
        conversations[id_] = record.conversation
    return conversations


def _join_request(record: Record | Malformed, requests: Mapping[str, Conversation]) -> Record | Malformed:
    """Put the messages of an answer after those of its request."""
    if isinstance(record, Malformed):
        return record
    request = requests.get(record.key.id or "")
    if request is None:
        return Malformed(record.key, f"no request has its custom_id {record.key.id!r}", record.fields)
    answer = record.conversation
    conversation = replace(
        answer,
        messages=request.messages + answer.messages,
        flags=tuple(dict.fromkeys(request.flags + answer.flags)),
        skipped=request.skipped + answer.skipped,
        unread=tuple(dict.fromkeys(request.unread + answer.unread)),
    )
    return replace(record, conversation=conversation)


def _is_regular(source: str) -> bool:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode if source == "-" else Path(source).stat().st_mode
    except (OSError, ValueError, AttributeError):  # reading a closed stdin reports the error
        return False
    return stat.S_ISREG(mode)
