"""Files whose records are lines can be cut between any two of them, and their parts read as the whole is."""

from __future__ import annotations

import gzip
import io

import pytest

from guardcli.formats import ReadOptions, StreamPart
from tests.formats.in_memory import read

JSON = b"""\
{"prompt": "one"}
{"prompt": "two", "response": "three"}

[{"role": "user", "content": "four"}]
{broken
\x1f\x8b not gzip here
[
{"prompt": "five"} {"prompt": "six"}
PAR1
{"prompt": "seven"}"""
TEXT = b"hello\n\n{ is no record\nprompt,response\nUser: hi\nPAR1\nlast\n"


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (JSON, {}, "jsonl"),
        (TEXT, {}, "lines"),
        (b"", {}, "lines"),
        (JSON, {"format": "lines"}, "lines"),
        (JSON, {"format": "jsonl"}, "jsonl"),
        (TEXT, {"messages_path": "a.b"}, "jsonl"),
        (b'[{"prompt": "one"},\n{"prompt": "two"}]', {}, None),
        (b'{\n"prompt": "one"\n}', {}, None),
        (b"prompt,response\nhi,hello\n", {}, None),
        (b"User: hi\n\nAssistant: hello\n\nUser: bye\n", {}, None),
        (TEXT, {"format": "csv"}, None),
        (gzip.compress(JSON), {}, None),
        (b"PAR1 and PAR1", {}, None),
        (b"\xff\xfeh\0i\0", {}, None),
    ],
)
def test_find_record_lines(content: bytes, options: dict[str, str], expected: str | None) -> None:
    assert ReadOptions(**options).find_record_lines(io.BytesIO(content)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [JSON, TEXT])
def test_parts_of_a_file_are_read_like_the_whole(content: bytes) -> None:
    whole = list(read(io.BytesIO(content), "a"))
    record_lines = ReadOptions().find_record_lines(io.BytesIO(content))
    lines = content.splitlines(keepends=True)
    for at in range(1, len(lines)):
        first = read(io.BytesIO(b"".join(lines[:at])), StreamPart("a", record_lines=record_lines))
        second = read(io.BytesIO(b"".join(lines[at:])), StreamPart("a", record_lines=record_lines, first_line=at + 1))
        assert [*first, *second] == whole


def test_a_part_is_resumed_at_a_line_of_the_file() -> None:
    part = io.BytesIO(b"".join(JSON.splitlines(keepends=True)[1:]))
    rows = read(part, StreamPart("a", record_lines="jsonl", first_line=2, start=8))
    assert [row.key.line for row in rows] == [8, 9, 10]
