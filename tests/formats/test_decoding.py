import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.formats import RecordError, decoding

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))

FLAG = ("invalid_unicode",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"a": [1, null, "\\u00e4"]}', ({"a": [1, None, "ä"]}, ())),
        (b'"\\ud83d\\ude00"', ("😀", ())),
        (b'"\\ud83d"', ("\ufffd", FLAG)),
        (b'"a\\uDE00\\ud83d b"', ("a\ufffd\ufffd b", FLAG)),
        (b'{"\\ud800": ["\\udfff", 1, "\\ud83d\\ude00"]}', ({"\ufffd": ["\ufffd", 1, "😀"]}, FLAG)),
        (b'"\\\\ud800"', ("\\ud800", ())),
        (b"1e999", (math.inf, ())),
    ],
)
def test_decode_json(content, expected):
    assert decoding.decode_json(content, 1) == expected


def test_nan_is_read():
    value, _ = decoding.decode_json(b'{"score": NaN}', 1)
    assert isinstance(value, dict)
    assert math.isnan(value["score"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{'a': 1}", "at column 2 (JSON quotes with double quotes)"),
        (b'{"a": 1},', "at column 9 (JSON Lines has no comma between its lines)"),
        (b'{"a": 1}{"b": 2}', "at column 9 (each value needs a line of its own)"),
        (b'{"a": "b', "at column 7 (it is cut off)"),
        (b'{"a": ', "at column 7 (it is cut off)"),
        (b'{"a": "\t"}', "at column 8 (escape control characters in a text: \\n, \\t)"),
        (b'{"a": None}', "at column 7 (write true, false and null, not Python's True, False and None)"),
        (b"hello", 'at column 1 (ReadOptions(format="lines") reads plain text)'),
        (b'{\n "a": 1,\n b}', 'at line 9 column 2 (ReadOptions(format="lines") reads plain text)'),
    ],
)
def test_not_json(content, reason):
    with pytest.raises(RecordError) as error:
        decoding.decode_json(content, 7)
    assert error.value.reason.startswith("not JSON: ")
    assert error.value.reason.endswith(reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'"\xff"', "invalid UTF-8 at byte 2 of the line: 0xff; if Latin-1: iconv -f LATIN1"),
        (b'{\n"a": "\xc3"}', "invalid UTF-8 at byte 7 of line 8: 0xc3; if Latin-1: iconv -f LATIN1"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "a number has too many digits"),
        (b'["nul \\u0000"]', "a text has NUL (U+0000), after which some readers see nothing: remove it"),
        (b'{"\\u0000": 1}', "a text has NUL (U+0000), after which some readers see nothing: remove it"),
        (b'"nul \0"', "NUL bytes in the line: remove them, or export the text again"),
        (
            b'{\n"\0a\0b\0c\0d',
            "NUL bytes in line 8: this is UTF-16 inside other text; convert that part with iconv -f UTF-16LE -t UTF-8",
        ),
        (b'"a"\n\xff\xfea', "invalid UTF-8 at byte 1 of line 8: 0xff; UTF-16 begins here: iconv -f UTF-16 converts it"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "duplicate key 'c' in an object"),
    ],
)
def test_record_errors(content, reason):
    with pytest.raises(RecordError) as error:
        decoding.decode_json(content, 7)
    assert error.value.reason == reason


@given(st.recursive(st.none() | st.floats() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_good_json_is_unchanged(value):
    content = json.dumps(value)
    value, flags = decoding.decode_json(content.encode(), 1)
    assert (json.dumps(value), flags) == (content, ())


def decoded(content):
    """The value and the flags, or the reason why there is none."""
    try:
        return decoding.decode_json(content, 1)
    except RecordError as error:
        return error.reason


@given(st.binary())
def test_any_bytes_are_a_value_or_an_error(content):
    result = decoded(content)
    assert result
    if isinstance(result, tuple):
        value, flags = result
        assert flags in ((), FLAG)
        assert json.loads(json.dumps(value)) == value or "NaN" in json.dumps(value)
