from guardcli.conversation import Key, Malformed, Record
from tests.formats.in_memory import conversation, read_all, read_texts


def test_each_line_is_a_users_message():
    assert read_all(b"\n hi \r\n \t\nbell \a stays\n\nlast") == [
        Record(Key("in", 2), conversation(("user", " hi "))),
        Record(Key("in", 4), conversation(("user", "bell \a stays"))),
        Record(Key("in", 6), conversation(("user", "last"))),
    ]


def test_a_later_speaker_does_not_swallow_the_following_lines():
    texts = read_texts(b"hello\nUser: x\ny\n")
    assert texts == [
        (1, None, [("user", "hello")]),
        (2, None, [("user", "User: x")]),
        (3, None, [("user", "y")]),
    ]


def test_one_bad_line_does_not_end_the_rest():
    assert read_all("a\nä".encode() + b"\xff\nb") == [
        Record(Key("in", 1), conversation(("user", "a"))),
        Malformed(
            Key("in", 2),
            "invalid UTF-8 at byte 3 of the line: 0xff; if Latin-1: iconv -f LATIN1",
            "record/invalid-encoding",
        ),
        Record(Key("in", 3), conversation(("user", "b"))),
    ]


def test_the_limit_is_on_the_line_without_its_end():
    too_long = "the line is longer than 4 bytes; ReadOptions.max_record_bytes sets the limit"
    expected = [
        (1, None, [("user", "four")]),
        (2, None, too_long),
        (3, None, too_long),
        (4, None, [("user", "z")]),
    ]
    assert read_texts(b"four\r\nfive5\n" + b" " * 30 + b"x\nz", max_record_bytes=4) == expected


def test_forced():
    expected = [(1, None, [("user", '{"prompt": "x"}')]), (2, None, [("user", "User: y")])]
    assert read_texts(b'{"prompt": "x"}\nUser: y', format="lines") == expected
