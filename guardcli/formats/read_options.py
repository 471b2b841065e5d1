"""How records are read from files and streams: what a command's options say, as a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from guardcli.conversation import Conversation, Malformed, Record
from guardcli.formats.compiled_options import MAX_RECORD_BYTES, CompiledOptions
from guardcli.formats.frame_formats import FRAME_FORMATS
from guardcli.formats.input_stream import StreamPart
from guardcli.formats.paths import parse_path, parse_paths
from guardcli.formats.read_report import ReadReport
from guardcli.formats.reading import find_record_lines, read
from guardcli.formats.registry import FORMATS
from guardcli.formats.requests import index_requests, join_requests
from guardcli.formats.source import open_source

# The names that users give: formats of records, and of inputs.
INPUT_FORMATS: tuple[str, ...] = (
    *FORMATS,
    *(name for name, format in reversed(FRAME_FORMATS.items()) if format.has_name),
)


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
        report: ReadReport | None = None,
    ) -> Iterator[Record | Malformed]:
        """Yield the records of all inputs in order.

        Args:
            sources: the path of a file, or "-" for stdin; or several.
            start: the first line of each input to yield records from.
            requests: the requests of a batch run by `custom_id`; each record is an answer to one of them.
            report: gets what is detected, while the records are read.

        Raises:
            InputError: an input cannot be opened.
            ValueError: the format is unknown, or a path is invalid.
        """
        options, report = self.compile(), report or ReadReport()
        for source in map(str, [sources] if isinstance(sources, (str, Path)) else sources):
            with open_source(source) as stream:
                records = read(stream, StreamPart(source, start), options, report)
                yield from records if requests is None else join_requests(records, requests)

    def read_stream(
        self,
        stream: BinaryIO,
        part: StreamPart,
        *,
        requests: Mapping[str, Conversation] | None = None,
        report: ReadReport | None = None,
    ) -> Iterator[Record | Malformed]:
        """Yield the records of one open input, or of a part of a file. How an ambiguous one is read is logged."""
        records = read(stream, part, self.compile(), report or ReadReport())
        return records if requests is None else join_requests(records, requests)

    def find_record_lines(self, stream: BinaryIO) -> str | None:
        """Return what each line of a file holds if every record is on a line of its own, else None."""
        return find_record_lines(stream, self.compile())

    def compile(self) -> CompiledOptions:
        """Parse the paths, and look up the format.

        Raises:
            ValueError: the format is unknown, or a path is invalid.
        """
        is_frame_format = self.format in FRAME_FORMATS and FRAME_FORMATS[self.format].has_name
        if self.format is not None and not is_frame_format and self.format not in FORMATS:
            raise ValueError(f"unknown format {self.format!r}; expected one of {', '.join(INPUT_FORMATS)}")
        return CompiledOptions(
            frame_format=self.format if is_frame_format else None,
            record_format=None if is_frame_format else self.format,
            messages_path=parse_path(self.messages_path) if self.messages_path else (),
            max_record_bytes=self.max_record_bytes,
            ignored=parse_paths(self.ignore) if self.ignore else frozenset(),
            text_fields=tuple(path for field in self.text_fields for path in sorted(parse_paths(field))),
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
