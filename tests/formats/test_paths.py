import pytest

from guardcli.formats import RecordError, paths
from tests.formats.in_memory import read_all, read_texts


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("messages", ("messages",)),
        ("$.a.b", ("a", "b")),
        ("a[0].b[-1]", ("a", 0, "b", -1)),
        ('"a.b".c', ("a.b", "c")),
        ("a['b c'][\"d\"]", ("a", "b c", "d")),
        ("[2]", (2,)),
    ],
)
def test_parse(text, steps):
    assert paths.parse_path(text) == steps


@pytest.mark.parametrize("text", ["", "$", "a..b", "a[x]", "a[", "a.", '"a'])
def test_invalid_paths(text):
    with pytest.raises(ValueError, match=r"invalid path"):
        paths.parse_path(text)


VALUE = {"a": [{"b": 1}, {"b": [2, 3]}], "c": None}


@pytest.mark.parametrize(("text", "expected"), [("a[0].b", 1), ("a[-1].b[1]", 3), ("c", None)])
def test_get_at_path(text, expected):
    assert paths.get_at_path(VALUE, paths.parse_path(text)) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "no x in this record: there are the keys 'a', 'c'"),
        ("a[2]", "no a[2] in this record: the list has 2 items"),
        ("a.b", "no a.b in this record: there is a list where an object is expected"),
        ("c[0]", "no c[0] in this record: there is null where a list is expected"),
    ],
)
def test_missing_paths(text, reason):
    with pytest.raises(RecordError) as error:
        paths.get_at_path(VALUE, paths.parse_path(text))
    assert error.value.reason == reason


def test_records_are_read_at_a_path():
    lines = (
        b'{"id":"c1","data":{"chat":[{"role":"user","content":"hi"}]}}\n'
        b'{"id":"c2","data":{"chat":{"prompt":"hi","response":"hello"}}}\n'
        b'{"id":"c3","data":{}}\n'
    )
    assert read_texts(lines, messages_path="data.chat") == [
        (1, None, [("user", "hi")]),
        (2, None, [("user", "hi"), ("assistant", "hello")]),
        (3, None, "no data.chat in this record: there are no keys"),
    ]
    assert [row.key.id for row in read_all(lines, messages_path="data.chat")] == ["c1", "c2", "c3"]
