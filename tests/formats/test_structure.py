import pytest

from guardcli.formats import structure
from guardcli.formats.pieces import Chunk, Fault
from guardcli.formats.reader import Reader

TOO_LONG = "is longer than 40 bytes; --max-record-bytes sets the limit"


def layout(content, limit=1 << 20):
    return structure.layout(Reader(iter([content])), limit)


@pytest.mark.parametrize(
    "content",
    [
        b"hello", b"[user] hi", b"[1] hi", b"[", b"[\n\n", b'"quoted" words\n"b"', b'"not closed', b"5",
        b"null", b"", b" \n\n", b'hello\n{"prompt": "x"}', b"(", b"\xff{",
    ],
)  # fmt: skip
def test_text(content):
    assert layout(content) == "text"


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
    assert layout(content) == "json lines"


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
    assert layout(content) == "json values"


def test_a_line_too_long():
    assert layout(b'[{"a": 1}, {"a": 2}]', limit=9) == "json values"
    assert layout(b'{"a": [1, 2, 3, 4]}', limit=9) == "json lines"


@pytest.mark.parametrize("first", [b'{"prompt": "x"}\n', b"hello\n", b"[user] hi\n", b'"a"\n', b'{"cut off\n'])
def test_no_second_line_is_waited_for(first):
    def live():
        yield first
        pytest.fail("waited for a second line")

    assert structure.layout(Reader(live()), 1 << 20) in ("text", "json lines")


def test_the_first_line_stays():
    reader = Reader(iter([b"\n \nhello\nyou"]))
    assert structure.first_line(reader, 100) == b"hello\n"
    assert structure.first_line(reader, 100) == b"hello\n"
    assert reader.line == 3


def values(content):
    reader = Reader(iter([content]))
    return list(structure.values(reader, 40, structure.layout(reader, 40)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\n{"a": 1}\r\n \n{bad}', [Chunk(2, b'{"a": 1}'), Chunk(4, b"{bad}")]),
        (b'{}\n["a", 2]\nx', [Chunk(1, b"{}"), Chunk(2, b'"a"'), Chunk(2, b"2"), Chunk(3, b"x")]),
        (b'[{"role": 1}, 2]\n[[]]', [Chunk(1, b'[{"role": 1}, 2]'), Chunk(2, b"[]")]),
        (b'{"a": "' + b"x" * 40 + b'"}\n{}', [Fault(1, f"the line {TOO_LONG}"), Chunk(2, b"{}")]),
        (b"{\n}\n\n[\n1]", [Chunk(1, b"{\n}"), Chunk(5, b"1")]),
        (
            b'["' + b"x" * 40 + b'", 2]\n[3]',
            [Fault(1, f"the value {TOO_LONG}"), Chunk(1, b"2"), Chunk(2, b"3")],
        ),
    ],
)
def test_values(content, expected):
    assert values(content) == expected
