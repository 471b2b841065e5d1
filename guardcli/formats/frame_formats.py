"""The formats of inputs: how the bytes of a stream are cut into frames.

A format is one module and one entry of `FRAME_FORMATS`. The first format that `matches` an input reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from guardcli.errors import setting
from guardcli.formats import csv_table, json_lines, json_values, parquet, text_lines, transcript
from guardcli.formats.compiled_options import CompiledOptions
from guardcli.formats.errors import READ_LINES, StreamError
from guardcli.formats.frames import Frame
from guardcli.formats.input_stream import InputStream


class FrameReader(Protocol):
    """A module that cuts inputs into frames."""

    def matches(self, stream: InputStream) -> bool:
        """Return whether an input is of this format. What is read of it for that stays in the stream."""

    def iter_frames(self, stream: InputStream) -> Iterator[Frame]:
        """Yield the records of an input, each as soon as it is complete.

        Raises:
            StreamError: The input cannot be read any further.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFormat:
    """An entry of the table.

    Attributes:
        module: cuts such an input into frames.
        content: "binary" is never read as text. "json" has values of any format of `registry.FORMATS`; so has each row
            of a "table", whose header is a line of text.
        one_line: whether each record is on a line of its own, so that a file can be split between any two lines.
        has_name: whether users can choose it by its name.
        title: what an input of this format is called.
        sign: what its first line looks like. It may also be text: such a format is detected in files only, and the user
            is told.
    """

    module: FrameReader
    content: Literal["binary", "json", "table", "text"]
    one_line: bool = False
    has_name: bool = True
    title: str = ""
    sign: str = ""


# The order matters: the first that matches reads the input.
FRAME_FORMATS: dict[str, FrameFormat] = {
    "parquet": FrameFormat(module=parquet, content="binary", has_name=False, title="Parquet"),
    "jsonl": FrameFormat(module=json_lines, content="json", one_line=True),
    "json values": FrameFormat(module=json_values, content="json", has_name=False),
    "csv": FrameFormat(module=csv_table, content="table", title="CSV", sign="a CSV header"),
    "transcript": FrameFormat(module=transcript, content="text", title="a transcript", sign="a turn of a transcript"),
    "lines": FrameFormat(module=text_lines, content="text", one_line=True),
}


@dataclass(frozen=True, slots=True)
class Detection:
    """The name of a detected format. `note` is for the user: how the input is read, and how it could be.

    `is_text` is true if the input is plain text or a table, whose format no record tells.
    """

    name: str
    note: str = ""
    is_text: bool = False


def detect(stream: InputStream, options: CompiledOptions) -> Detection:
    """Detect the format of an input, once: nobody who writes to it may change how the text of others is read.

    Raises:
        StreamError: The user has named a format of text, and this is binary.
    """
    given = options.frame_format
    if given is not None and FRAME_FORMATS[given].content != "json":
        _reject_binary(stream, given)
        return Detection(given)
    contents = {"binary", "json", "table", "text"}
    if given is not None or options.record_format is not None:
        contents = {"binary", "json"}
    elif options.messages_path:
        contents = {"binary", "json", "table"}
    fallback = Detection("lines", is_text=True) if "text" in contents else Detection("jsonl")
    for name, format in FRAME_FORMATS.items():
        if format.content not in contents or not format.module.matches(stream):
            continue
        is_text = format.content in ("table", "text")
        if not format.sign:
            return Detection(name, is_text=is_text)
        if stream.is_file:
            note = f"read as {format.title} because of its first line; use {READ_LINES} to read it as text"
            return Detection(name, note, is_text)
        return replace(
            fallback,
            note=f"the first line looks like {format.sign}, but each line from a pipe is read as one message; "
            f"use {setting('ReadOptions.format', name)} to read it as {format.title}",
        )
    return fallback


def _reject_binary(stream: InputStream, given: str) -> None:
    for format in FRAME_FORMATS.values():
        if format.content == "binary" and format.module.matches(stream):
            raise StreamError(
                f"this is {format.title}, and {setting('ReadOptions.format', given)} reads text: leave it out",
                code="option/invalid",
            )
