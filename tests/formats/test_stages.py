"""A record flows straight through the stages of reading, and a format is one module and one entry of a table."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from guardcli import formats
from guardcli.conversation import Conversation, Key, Message, NamedConversations, Record
from guardcli.formats import ReadOptions, ReadReport
from guardcli.formats.claims import Claims
from guardcli.formats.compiled_options import CompiledOptions
from guardcli.formats.frame_formats import FRAME_FORMATS, FrameFormat
from guardcli.formats.frames import Frame
from guardcli.formats.input_stream import InputStream
from guardcli.formats.registry import FORMATS
from tests.formats.bases import BASES

FOLDER = Path(formats.__file__).parent


def parquet_file(*rows: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), sink)
    return sink.getvalue()


INPUTS = {
    "jsonl": b'{"messages": [{"role": "user", "content": "hi"}]}\n["hi"]\n{broken\n',
    "json values": b'[\n{"prompt": "hi"},\n{"prompt": "ho", "note": "call him back today"}\n]\n',
    "csv": b"prompt,note\nhi,call him back today\n",
    "transcript": b"User: hi\nAssistant: hello\n",
    "lines": b"hi\nho\n",
    "parquet": parquet_file({"prompt": "hi"}),
    "text fields": b'{"prompt": "hi", "note": "call him back today"}\n',
    **{name: json.dumps(value).encode() for name, value in BASES.items()},
}


def trace_calls(content: bytes, path: Path, on_call: Callable[[FrameType], None]) -> None:
    """Read a file, and call back for each call of a function of `formats`."""
    path.write_bytes(content)
    options = ReadOptions(text_fields=("note",))

    def trace(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and Path(frame.f_code.co_filename).parent == FOLDER:
            on_call(frame)

    list(options.read([str(path)]))  # so that nothing is imported while the calls are traced
    sys.setprofile(trace)
    try:
        list(options.read([str(path)], report=ReadReport(list_texts=True)))
    finally:
        sys.setprofile(None)


def without_repeats(names: list[str]) -> list[str]:
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


@pytest.mark.parametrize("name", INPUTS)
def test_following_the_options_visits_no_file_twice(name: str, tmp_path: Path) -> None:
    visited: dict[CodeType, None] = {}

    def visit(frame: FrameType) -> None:
        arguments = frame.f_locals.values() if frame.f_code not in visited else ()
        if any(isinstance(argument, (ReadOptions, CompiledOptions)) for argument in arguments):
            visited[frame.f_code] = None

    trace_calls(INPUTS[name], tmp_path / "in", visit)
    files = without_repeats([Path(code.co_filename).name for code in visited])
    assert files[:3] == ["read_options.py", "reading.py", "frame_formats.py"]
    assert len(files) == len(set(files)), files


@pytest.mark.parametrize("name", INPUTS)
def test_no_file_is_called_by_a_file_that_it_called(name: str, tmp_path: Path) -> None:
    chains: set[tuple[str, ...]] = set()

    def visit(frame: FrameType) -> None:
        files = []
        caller: FrameType | None = frame
        while caller is not None and Path(caller.f_code.co_filename).parent == FOLDER:
            files.append(Path(caller.f_code.co_filename).name)
            caller = caller.f_back
        chains.add(tuple(without_repeats(files)))

    trace_calls(INPUTS[name], tmp_path / "in", visit)
    assert len(chains) > 5
    assert [chain for chain in chains if len(chain) != len(set(chain))] == []


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    """The tables are as they were after each test."""
    kept = dict(FORMATS), dict(FRAME_FORMATS)
    yield
    for table, before in zip((FORMATS, FRAME_FORMATS), kept, strict=True):
        table.clear()
        table.update(before)  # type: ignore[arg-type]


class Poems:
    """`{"verses": ["…", "…"]}` is one message."""

    def matches(self, value: Any) -> bool:
        return isinstance(value, dict) and "verses" in value

    def parse(self, value: Any, claims: Claims) -> NamedConversations:
        claims.claim_all(value["verses"])
        return [(None, Conversation((Message("user", "\n".join(value["verses"])),)))]


def test_a_record_format_is_one_module_and_one_entry(tmp_path: Path) -> None:
    path = tmp_path / "poems.jsonl"
    path.write_text('{"id": "p", "verses": ["how do I love thee", "let me count the ways"]}\n')
    FORMATS["poems"] = Poems()
    report = ReadReport()
    poem = Conversation((Message("user", "how do I love thee\nlet me count the ways"),), "p")
    for options in (ReadOptions(), ReadOptions(format="poems")):
        (record,) = options.read([str(path)], report=report)
        assert record == Record(Key(str(path), 1, None, "p"), poem, json.loads(path.read_text()))
    assert list(report.formats) == [(str(path), "poems")]


class Fortunes:
    """Texts between lines that are `%`."""

    def matches(self, stream: InputStream) -> bool:
        return stream.reader.peek_lines()[:1] == [b"%\n"]

    def iter_frames(self, stream: InputStream) -> Iterator[Frame]:
        for line in stream.reader.iter_lines():
            if line.content != b"%":
                yield Frame(line.number, Conversation((Message("user", line.content.decode()),)), line.raw)


def test_a_frame_format_is_one_module_and_one_entry(tmp_path: Path) -> None:
    path = tmp_path / "fortunes"
    path.write_text("%\nbe kind\n%\nbe quick\n")
    entries = {"fortunes": FrameFormat(module=Fortunes(), content="text"), **FRAME_FORMATS}
    FRAME_FORMATS.clear()
    FRAME_FORMATS.update(entries)
    report = ReadReport()
    for options in (ReadOptions(), ReadOptions(format="fortunes")):
        records = [(row.key.line, row.conversation) for row in options.read([str(path)], report=report)]  # type: ignore[union-attr]
        assert records == [(n, Conversation((Message("user", said),))) for n, said in ((2, "be kind"), (4, "be quick"))]
    assert list(report.formats) == [(str(path), "fortunes")]
