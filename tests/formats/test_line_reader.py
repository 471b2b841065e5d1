import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.formats.frames import RawLine
from guardcli.formats.line_reader import LineReader


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", [RawLine(1, b"", end=b"\n")]),
        (b"a\r\n\nb", [RawLine(1, b"a", end=b"\r\n"), RawLine(2, b"", end=b"\n"), RawLine(3, b"b")]),
        (b"four\nfive5\nz", [RawLine(1, b"four", end=b"\n"), RawLine(2, b"five", whole=False), RawLine(3, b"z")]),
        (b"four\r\nfive5\r\nz", [RawLine(1, b"four", end=b"\r\n"), RawLine(2, b"five", whole=False), RawLine(3, b"z")]),
        (b"x" * 99 + b"\ny\r", [RawLine(1, b"xxxx", whole=False), RawLine(2, b"y\r")]),
        (b"x" * 99, [RawLine(1, b"xxxx", whole=False)]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_iter_lines(content, expected, size):
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    assert list(LineReader(pieces).iter_lines(4)) == expected


def test_a_line_that_is_too_long_is_reported_before_its_end():
    def live():
        yield b"x" * 99
        pytest.fail("waited for the end of the line")

    assert next(LineReader(live()).iter_lines(4)) == RawLine(1, b"xxxx", whole=False)


def test_push_back():
    reader = LineReader(iter([b"a\nb", b"\nc"]))
    read = reader.read_fragment(9) + reader.read_fragment(9)
    assert (read, reader.line) == (b"a\nb\n", 3)
    reader.push_back(read)
    assert reader.line == 1
    assert list(reader.iter_lines(9)) == [RawLine(1, b"a", end=b"\n"), RawLine(2, b"b", end=b"\n"), RawLine(3, b"c")]


@given(st.lists(st.binary(min_size=1)), st.integers(1, 9))
def test_fragments_are_the_content_in_order(pieces, size):
    reader = LineReader(iter(pieces))
    fragments = list(iter(lambda: reader.read_fragment(size), b""))
    content = b"".join(pieces)
    assert b"".join(fragments) == content
    assert all(len(fragment) <= size and b"\n" not in fragment[:-1] for fragment in fragments)
    assert reader.line == 1 + content.count(b"\n")
