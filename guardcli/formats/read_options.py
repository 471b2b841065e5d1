"""How records are read from files and streams: what a command's options say, as a value."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from guardcli.conversation import Conversation, Malformed, Record
from guardcli.formats.reading import RecordLines, find_record_lines, read
from guardcli.formats.requests import index_requests, join_request
from guardcli.formats.source import open_source
from guardcli.text.escaping import escape_terminal

MAX_RECORD_BYTES = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How records are read; the defaults detect everything.

    >>> records = ReadOptions(messages_path="payload.chat").read("chats.jsonl")

    Args:
        format: one of `INPUT_FORMATS`; detected if None.
        messages_path: where in a JSON record the conversation is, such as "payload.chat[0].messages".
        max_record_bytes: a longer record is malformed.
        ignore: comma-separated paths of metadata, whose text is not judged.
        text_fields: paths of text to judge in addition, as user messages.
    """

    format: str | None = None
    messages_path: str | None = None
    max_record_bytes: int = MAX_RECORD_BYTES
    ignore: str | None = None
    text_fields: tuple[str, ...] = ()

    def read(
        self,
        sources: str | Path | Iterable[str | Path],
        *,
        start: int = 1,
        requests: Mapping[str, Conversation] | None = None,
        on_detect: Callable[[str, str], None] = lambda _source, _format: None,
        on_text: Callable[[str, str, str], None] | None = None,
    ) -> Iterator[Record | Malformed]:
        """Yield the records of all inputs in order.

        Args:
            sources: the path of a file, or "-" for stdin; or several.
            start: the first line of each input to yield records from.
            requests: the requests of a batch run by `custom_id`; each record is an answer to one of them.
            on_detect: called with (source, format) for each detected format.
            on_text: called with (path, text, status) for each text of a JSON record.

        Raises:
            InputError: an input cannot be opened.
        """
        for source in map(str, [sources] if isinstance(sources, (str, Path)) else sources):
            with open_source(source) as stream:
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
        record_lines: RecordLines | None = None,
        requests: Mapping[str, Conversation] | None = None,
        on_detect: Callable[[str, str], None] = lambda _source, _format: None,
        on_text: Callable[[str, str, str], None] | None = None,
    ) -> Iterator[Record | Malformed]:
        """Yield the records of one open input, or of a part of a file. How an ambiguous one is read is logged.

        Args:
            source: the name of the input in the keys.
            first_line: the number of the stream's first line in the file.
            record_lines: the result of `find_record_lines` for the file.
        """
        records = read(
            stream,
            source,
            format=self.format,
            messages_path=self.messages_path,
            max_record_bytes=self.max_record_bytes,
            start=start,
            first_line=first_line,
            record_lines=record_lines,
            ignore=self.ignore,
            text_fields=self.text_fields,
            on_detect=lambda name: on_detect(source, name),
            on_note=lambda note: _log.warning("%s: %s", escape_terminal(source), note),
            on_text=on_text,
        )
        return records if requests is None else (join_request(record, requests) for record in records)

    def find_record_lines(self, stream: BinaryIO) -> RecordLines | None:
        """Return what each line of a file holds if every record is on a line of its own, else None."""
        return find_record_lines(
            stream,
            format=self.format,
            messages_path=self.messages_path,
            max_record_bytes=self.max_record_bytes,
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self) | {"text_fields": list(self.text_fields)}


def load_requests(files: str | Path | Iterable[str | Path]) -> dict[str, Conversation]:
    """Return the conversations of batch requests by `custom_id`.

    Raises:
        InputError: a request cannot be read, or two have the same id.
    """
    return index_requests(ReadOptions().read(files))
