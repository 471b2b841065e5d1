import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.formats.line_reader import LineReader, RawLine

FIVE = RawLine(2, b"five", b"five", whole=False)  # of "five5"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", [RawLine(1, b"", b"\n")]),
        (b"a\r\n\nb", [RawLine(1, b"a", b"a\r\n"), RawLine(2, b"", b"\n"), RawLine(3, b"b", b"b")]),
        (
            b"four\nfive5\nz",
            [RawLine(1, b"four", b"four\n"), FIVE, RawLine(3, b"z", b"z")],
        ),
        (
            b"four\r\nfive5\r\nz",
            [RawLine(1, b"four", b"four\r\n"), FIVE, RawLine(3, b"z", b"z")],
        ),
        (b"x" * 99 + b"\ny\r", [RawLine(1, b"xxxx", b"xxxx", whole=False), RawLine(2, b"y\r", b"y\r")]),
        (b"x" * 99, [RawLine(1, b"xxxx", b"xxxx", whole=False)]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_iter_lines(content, expected, size):
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    assert list(LineReader(pieces, 4).iter_lines()) == expected


def test_a_line_that_is_too_long_is_reported_before_its_end():
    def live():
        yield b"x" * 99
        pytest.fail("waited for the end of the line")

    assert next(LineReader(live(), 4).iter_lines()) == RawLine(1, b"xxxx", b"xxxx", whole=False)


def test_the_first_lines_stay():
    reader = LineReader(iter([b"\n \n\xef\xbb\xbfhello\nyou\n", b"never read"]), 100)
    assert reader.peek_lines() == [b"hello\n", b"you\n"]
    assert reader.peek_lines() == [b"hello\n", b"you\n"]
    assert reader.line == 3


def test_push_back():
    reader = LineReader(iter([b"a\nb", b"\nc"]), 9)
    read = reader.read_fragment(9) + reader.read_fragment(9)
    assert (read, reader.line) == (b"a\nb\n", 3)
    reader.push_back(read)
    assert reader.line == 1
    assert list(reader.iter_lines()) == [RawLine(1, b"a", b"a\n"), RawLine(2, b"b", b"b\n"), RawLine(3, b"c", b"c")]


@given(st.lists(st.binary(min_size=1)), st.integers(1, 9))
def test_fragments_are_the_content_in_order(pieces, size):
    reader = LineReader(iter(pieces), 9)
    fragments = list(iter(lambda: reader.read_fragment(size), b""))
    content = b"".join(pieces)
    assert b"".join(fragments) == content
    assert all(len(fragment) <= size and b"\n" not in fragment[:-1] for fragment in fragments)
    assert reader.line == 1 + content.count(b"\n")
