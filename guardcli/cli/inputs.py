"""Files and stdin as one stream of records, and what kind of stream it is."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
from guardcli.formats import MORE_PATHS, TEXT_AS_KEY, UNKNOWN_SPEAKER, find_field, has_value_at
from guardcli.text.escaping import escape_terminal

F = TypeVar("F", bound=Callable[..., Any])

MAX_RECORD_BYTES = 1 << 20

files = click.argument("files", nargs=-1, metavar="[FILES]...")
input_format = click.option(
    "--input-format",
    type=click.Choice(formats.INPUT_FORMATS),
    help="Take the input as this format instead of sniffing it.",
)
requests = click.option(
    "--requests",
    multiple=True,
    metavar="FILE",
    help="Batch requests that the answers in the input belong to, by `custom_id`. Repeatable.",
)
as_user = click.option(
    "--as-user",
    type=click.Choice(["system", "developer", "tool"]),
    multiple=True,
    help="Judge the operator's messages, or those of tools, as if the user had written them; else they are counted in "
    "`skipped`. Repeatable.",
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
    how long a record may be, which fields are metadata, and which ones hold text to be judged besides."""

    input_format: str | None = None
    messages_path: str | None = None
    max_record_bytes: int = MAX_RECORD_BYTES
    ignore: str | None = None
    text_field: tuple[str, ...] = ()

    def records(
        self,
        sources: Sequence[str],
        *,
        start: int = 1,
        requests: Mapping[str, Conversation] | None = None,
        on_detect: Callable[[str, str], None] = lambda _source, _format: None,
        on_text: Callable[[str, str, str], None] | None = None,
    ) -> Iterator[Record | Malformed]:
        """The records of all inputs, in order, from line `start` of each on. `on_detect` is told (source, format), and
        `on_text` each text of a JSON record: its path, the text, and what becomes of it.

        Raises:
            InputError: one cannot be opened.
        """
        for source in sources:
            with formats.open_source(source) as stream:
                yield from self.records_of(
                    stream, source, start=start, requests=requests, on_detect=on_detect, on_text=on_text
                )

    def records_of(
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
        """The same of one input that is open; `source` is its name in the keys. It may be a part of a file, as
        `formats.read` has it."""
        found = formats.read(
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
            on_note=lambda words: output.echo_err(f"guard: {escape_terminal(source)}: {words}"),
            on_text=on_text,
        )
        return found if requests is None else (_joined(record, requests) for record in found)

    def record_lines(self, stream: BinaryIO) -> formats.RecordLines | None:
        """What a file holds in which no record goes beyond its line; None if others do."""
        return formats.find_record_lines(
            stream,
            format=self.input_format,
            messages_path=self.messages_path,
            max_record_bytes=self.max_record_bytes,
        )


PATHS_TOLD = 10  # of unread text; --paths lists all


class Remarks:
    """What a person should know of how records are read: each thing is told once, on stderr, at the first record.

    `keep` and `text_fields` are fields that options name.
    """

    def __init__(
        self, as_user: Collection[str] = (), *, keep: Sequence[str] = (), text_fields: Sequence[str] = ()
    ) -> None:
        self._told: set[str] = set(as_user)
        self._paths: set[str] = set()
        self._records = 0
        self._not_kept = set(keep)
        self._not_judged = {path: place for path in text_fields for place in formats.parse_paths(path)}

    def of(self, records: Iterable[Record | Malformed]) -> Iterator[Record | Malformed]:
        """Records as they are; what there is to tell of one is told before it is handed on."""
        for record in records:
            self._records += 1
            if self._not_kept:
                self._not_kept = {
                    name for name in self._not_kept if not any(True for _ in find_field(record.fields, name))
                }
            if self._not_judged:
                self._not_judged = {
                    path: place
                    for path, place in self._not_judged.items()
                    if not has_value_at(dict(record.fields), place)
                }
            if isinstance(record, Record):
                self._see(record)
            yield record

    def are_missing(self) -> bool:
        """Say which fields that options name were in no record; whether there are any."""
        if not self._records:
            return False
        for option, names in (("--keep", self._not_kept), ("--text-field", self._not_judged)):
            for name in sorted(names):
                output.echo_err(f"guard: {option} {escape_terminal(shlex.quote(name))}: no record has such a field")
        return bool(self._not_kept or self._not_judged)

    def _see(self, record: Record) -> None:
        conversation = record.conversation
        for path in conversation.unread:
            self._unread(path, record.key.location)
        if conversation.num_operator_messages and (role := conversation.messages[0].role) not in self._told:
            self._tell(
                role,
                record.key.location,
                f"{role} messages before the first turn are the operator's: they are counted in `skipped`, and not "
                f"judged; --as-user {role} judges them",
            )
        if UNKNOWN_SPEAKER in conversation.flags and UNKNOWN_SPEAKER not in self._told:
            self._tell(
                UNKNOWN_SPEAKER,
                record.key.location,
                "a line begins with a name that is no known speaker; it was read as part of the message before it "
                f"(flag {UNKNOWN_SPEAKER})",
            )

    def _unread(self, path: str, place: str) -> None:
        if path in self._paths or len(self._paths) > PATHS_TOLD:
            return
        self._paths.add(path)
        if len(self._paths) > PATHS_TOLD or path == MORE_PATHS:
            output.echo_err("guard: there is more text that is not judged: guard check --paths FILES lists all of it")
            return
        option = escape_terminal(shlex.quote(path))
        judged = "" if path.endswith(TEXT_AS_KEY) else f", --text-field {option} judges it"
        output.echo_err(
            f"guard: {escape_terminal(place)}: the text under {escape_terminal(path)} is not judged: "
            f"--ignore {option} calls it metadata{judged}"
        )

    def _tell(self, what: str, place: str, words: str) -> None:
        self._told.add(what)
        output.echo_err(f"guard: {escape_terminal(place)}: {words}")


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


def reading_options(command: F) -> F:
    """Give a command the options on how inputs are read; it gets them as `reading`."""

    @wraps(command)
    def reads(*args: Any, **options: Any) -> Any:
        own = {field.name: options.pop(field.name) for field in fields(Reading)}
        return command(*args, reading=Reading(**own), **options)

    reading: F = add_options(reads, _READING_OPTIONS)  # type: ignore[assignment]
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
        place, id_ = record.key.location, record.key.id
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
    answer = record.conversation
    conversation = replace(
        answer,
        messages=request.messages + answer.messages,
        flags=tuple(dict.fromkeys(request.flags + answer.flags)),
        skipped=request.skipped + answer.skipped,
        unread=tuple(dict.fromkeys(request.unread + answer.unread)),
    )
    return replace(record, conversation=conversation)


def _regular(source: str) -> bool:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode if source == "-" else Path(source).stat().st_mode
    except (OSError, ValueError, AttributeError):  # a closed stdin is told when it is read
        return False
    return stat.S_ISREG(mode)
