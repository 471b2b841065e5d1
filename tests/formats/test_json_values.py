import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.formats.errors import RecordError
from guardcli.formats.frames import Frame
from guardcli.formats.json_values import split_values

TOO_LONG = "the value is longer than 30 bytes; ReadOptions.max_record_bytes sets the limit"
CUT_OFF = "cut off: the value that begins here is not closed before the end"
UNCLOSED_ARRAY = "cut off: the array of line 1 is not closed before the end"


def is_message(content):
    return b"role" in content


def pieces(content, size=1 << 16, limit=30, is_message=is_message):
    fragments = [line[at : at + size] for line in content.splitlines(True) for at in range(0, len(line), size)]
    return [
        (piece.line, piece.body.reason if isinstance(piece.body, RecordError) else piece.body)
        for piece in split_values(fragments, 1, limit, is_message)
    ]


@pytest.mark.parametrize("size", [1, 2, 5, 1 << 16])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b" \n ", []),
        (b'{\n "a": 1\n}\n\n{\n "b": 2\n}', [(1, b'{\n "a": 1\n}'), (5, b'{\n "b": 2\n}')]),
        (b'{"a": "]}\\"{[,"} {"b": 2}', [(1, b'{"a": "]}\\"{[,"}'), (1, b'{"b": 2}')]),
        (b'[{"a": 1},\n {"b": [2, 3]}\n]\n', [(1, b'{"a": 1}'), (2, b'{"b": [2, 3]}')]),
        (b'[\n"a", "b",\n3]\n{"c": 4}', [(2, b'"a"'), (2, b'"b"'), (3, b"3"), (4, b'{"c": 4}')]),
        (b"[[1], [2]]", [(1, b"[1]"), (1, b"[2]")]),
        (b"[[1]]", [(1, b"[1]")]),
        (b"[\n\n5\n]", [(3, b"5")]),
        (b"[ ]", [(1, b"[ ]")]),
        (b'[{"role": 1},\n{"role": 2}]\n[3]', [(1, b'[{"role": 1},\n{"role": 2}]'), (3, b"3")]),
        (b'[{"role": 1}] [{"role": 2}]', [(1, b'[{"role": 1}]'), (1, b'[{"role": 2}]')]),
        # What is no JSON is still divided, so that its reader can say what it is.
        (b'{"a": 1} junk\n{"b": 2}', [(1, b'{"a": 1}'), (1, b"junk"), (2, b'{"b": 2}')]),
        (b"}\n]\n1", [(1, b"}"), (2, b"]"), (3, b"1")]),
        (b"[1, x y, {3} {4}]", [(1, b"1"), (1, b"x y"), (1, b"{3}"), (1, b"{4}")]),
        (b"[,1]", [(1, b"1")]),
        (b'{"a": 1},\n{"b": 2},\n', [(1, b'{"a": 1}'), (2, b'{"b": 2}')]),
        # Not closed.
        (b'{"a": "b', [(1, CUT_OFF)]),
        (b'[1, {"a":\n', [(1, b"1"), (1, CUT_OFF)]),
        (b"[1,\n 2", [(1, b"1"), (2, b"2"), (2, UNCLOSED_ARRAY)]),
        # Too long.
        (b'["' + b"x" * 28 + b'",2]', [(1, b'"' + b"x" * 28 + b'"'), (1, b"2")]),
        (b'["' + b"x" * 29 + b'",2]', [(1, TOO_LONG), (1, b"2")]),
        (b'{"a": "' + b"x" * 99 + b'"}{"b": 2}', [(1, TOO_LONG), (1, b'{"b": 2}')]),
        (b'[{"a": "' + b"x" * 99 + b'"},\n2]', [(1, TOO_LONG), (2, b"2")]),
        (b"[1, " + b"x" * 99 + b",\n2]", [(1, b"1"), (1, TOO_LONG), (2, b"2")]),
        (b'[{"role": 1},' + b'{"role": 2},' * 9 + b"{}]\n3", [(1, TOO_LONG), (2, b"3")]),
    ],
)
def test_split_values(content, expected, size):
    assert pieces(content, size) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b'{\n "a": 1,\n{\n "b": 2\n}',
            [(1, "not closed: another value begins on line 3"), (3, b'{\n "b": 2\n}')],
        ),
        (
            b'[\n0,\n {"a": "1},\n {"b": "\\\n {"c": 3}]',
            [
                (2, b"0"),
                (3, "not closed: another value begins on line 4"),
                (4, "not closed: another value begins on line 5"),
                (5, b'{"c": 3}'),
            ],
        ),
        (b'{\n"a": [\n{\n"b": 2\n}\n]\n}', [(1, b'{\n"a": [\n{\n"b": 2\n}\n]\n}')]),
    ],
)
def test_recovery_after_a_value_that_is_not_closed(content, expected):
    assert pieces(content) == expected


def test_a_value_is_yielded_as_soon_as_it_is_closed():
    def live():
        yield b'{"a":\n'
        yield b"1}\n"
        pytest.fail("waited for the next value")

    assert next(split_values(live(), 1, 30, is_message)) == Frame(1, b'{"a":\n1}')


def test_an_element_is_yielded_as_soon_as_it_is_closed():
    def live():
        yield b"[\n"
        yield b" {},\n"
        yield b" {}"
        pytest.fail("waited for the next element")

    values = split_values(live(), 1, 30, is_message)
    assert [next(values), next(values)] == [Frame(2, b"{}"), Frame(3, b"{}")]


anything = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@pytest.mark.slow
@given(st.lists(anything, min_size=1), st.sampled_from([None, 0, 2]), st.integers(1, 20))
def test_the_elements_of_any_array(values, indent, size):
    split = pieces(json.dumps(values, indent=indent).encode(), size, 1 << 20, lambda element: False)
    assert [json.loads(content) for _, content in split] == values


@given(st.text(alphabet='{}[]",\\\n x1').map(str.encode), st.integers(1, 9))
def test_nothing_is_lost_silently(content, size):
    """All but white space, commas, and the brackets of arrays is in a frame, or there is an error."""
    split = pieces(content, size)
    lines = [line for line, _ in split]
    assert lines == sorted(lines) or split[-1][1] == UNCLOSED_ARRAY
    if all(isinstance(piece, bytes) for _, piece in split):
        kept = b"".join(piece for _, piece in split)
        assert sorted(kept.translate(None, b" \n,[]")) == sorted(content.translate(None, b" \n,[]"))
