import io

import pytest

from guardcli.formats import json_lines, json_values
from guardcli.formats.errors import RecordError
from guardcli.formats.input_stream import InputStream
from guardcli.formats.json_sniffing import detect_layout
from guardcli.formats.line_reader import LineReader

TOO_LONG = "is longer than 40 bytes; ReadOptions.max_record_bytes sets the limit"


def layout_of(content, limit=1 << 20):
    return detect_layout(LineReader(iter([content]), limit))


@pytest.mark.parametrize(
    "content",
    [
        b"hello", b"[user] hi", b"[1] hi", b"[", b"[\n\n", b'"quoted" words\n"b"', b'"not closed', b"5",
        b"null", b"", b" \n\n", b'hello\n{"prompt": "x"}', b"(", b"\xff{",
    ],
)  # fmt: skip
def test_text(content):
    assert layout_of(content) == "text"


@pytest.mark.parametrize(
    "content",
    [
        b'{"prompt": "x"}', b'\n \n  {"prompt": "x"}\n{', b'"a"\n"b"', b"[]", b'[{"role": "user"}]',
        b'["a"]\n["b"]',
        b"{broken}\n{}", b"{name}, hello", b'{"a": 1', b'{"a": 1\n\n',
        # A first line that is cut off anywhere, and one more like it.
        b'{"messages": [{"role": "us\n{"messages": []}',
        b'{"messages": [{"role": "user"\n{"messages": []}',
        b'{"messages": [{"role": "user"},\n{"messages": []}',
        b'{"messages": [\n\n{"messages": []}',
        b'{"messages":\n{"messages": []}',
        b'{"a": 1,\n{"b": 2}',
        b'[{"role": "user"},\n[{"role": "user"}]',
    ],
)  # fmt: skip
def test_json_lines(content):
    assert layout_of(content) == "json lines"


@pytest.mark.parametrize(
    "content",
    [
        b'{\n"a": 1}', b'[\n\n{"a": 1}', b'[\n["a"]]', b'[{"a": 1},\n{"a": 2}\n]',
        b'{"a": 1,\n"b": 2}',
        b'{"messages": [\n{"role": "user"}\n]}', b'{"a":\n1}', b'{"a": 1\n,"b": 2}', b'{"a": 1\n}',
        b'[[{"role": "user"}],\n[{"role": "user"}]\n]',
    ],
)  # fmt: skip
def test_json_values(content):
    assert layout_of(content) == "json values"


def test_a_line_too_long():
    assert layout_of(b'[{"a": 1}, {"a": 2}]', limit=9) == "json values"
    assert layout_of(b'{"a": [1, 2, 3, 4]}', limit=9) == "json lines"


@pytest.mark.parametrize("first", [b'{"prompt": "x"}\n', b"hello\n", b"[user] hi\n", b'"a"\n', b'{"cut off\n'])
def test_no_second_line_is_waited_for(first):
    def live():
        yield first
        pytest.fail("waited for a second line")

    assert detect_layout(LineReader(live(), 1 << 20)) in ("text", "json lines")


def frames(content):
    """The line of each frame, its body or what is wrong with it, its raw bytes and those before it."""
    stream = InputStream(io.BytesIO(), LineReader(iter([content]), 40))
    (module,) = [module for module in (json_lines, json_values) if module.matches(stream)]
    return [
        (line, body.reason if isinstance(body, RecordError) else body, raw, before)
        for line, body, raw, before in module.iter_frames(stream)
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\n{"a": 1}\r\n \n{bad}', [(2, b'{"a": 1}', b'{"a": 1}\r\n', b""), (4, b"{bad}", b"{bad}", b" \n")]),
        (
            b'{}\n["a", 2]\nx',
            [(1, b"{}", b"{}\n", b""), (2, b'"a"', b"", b""), (2, b"2", b"", b""), (3, b"x", b"x", b"")],
        ),
        (b'[{"role": 1}, 2]\n[[]]', [(1, b'[{"role": 1}, 2]', b"", b""), (2, b"[]", b"", b"")]),
        (
            b'{"a": "' + b"x" * 40 + b'"}\n{}',
            [(1, f"the line {TOO_LONG}", b"", b""), (2, b"{}", b"{}", b"")],
        ),
        (b"{\n}\n\n[\n1]", [(1, b"{\n}", b"", b""), (5, b"1", b"", b"")]),
        (
            b'["' + b"x" * 40 + b'", 2]\n[3]',
            [(1, f"the value {TOO_LONG}", b"", b""), (1, b"2", b"", b""), (2, b"3", b"", b"")],
        ),
    ],
)
def test_iter_frames(content, expected):
    assert frames(content) == expected
