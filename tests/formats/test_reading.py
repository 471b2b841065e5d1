"""The whole way from bytes to records, and what holds for any input."""

import gzip
import json
import os
import threading
import tracemalloc
from io import BytesIO
from queue import Queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.formats import INPUT_FORMATS, ReadReport
from tests.formats.in_memory import Chunks, conversation, read, read_all, read_texts

HI = [("user", "hi")]
KNOWN = (
    "expected `messages`, or text under `prompt` and `response` (such as jq -c '{id, prompt: .message}' makes); "
    "ReadOptions.text_fields names another field"
)
INVALID = "invalid UTF-8 at byte 13 of the line: 0xff; if Latin-1: iconv -f LATIN1"
CUT_OFF = "the gzip data is cut off here; this record and everything after it are lost"
UTF16 = "the text is UTF-16, not UTF-8; convert it with `iconv -f UTF-16 -t UTF-8`"


def test_names():
    assert (
        *("batches", "telemetry", "traces", "vercel", "openai", "pairs", "sharegpt", "hh"),
        *("lines", "transcript", "csv", "jsonl"),
    ) == INPUT_FORMATS


def test_a_file_of_mixed_formats():
    transcripts = {"custom_id": 7, "chosen": "\n\nHuman: a", "rejected": "\n\nHuman: b"}
    content = {
        1: {"id": "c1", "messages": [{"role": "user", "content": "hi"}]},
        2: {"id": None, "conversation_hash": "h", "conversation": [{"role": "user", "content": "hi"}]},
        3: transcripts,
        4: {"id": True, "trace_id": "t", "prompt": "hi", "S": 0},
        5: "hi",
        6: {"id": "bad", "messages": []},
        7: {"data": "x", "\x1b[2J": 1},
    }
    a, b = (Conversation((Message("user", text),), "7") for text in "ab")
    report = ReadReport()
    assert read_all("\n".join(map(json.dumps, content.values())).encode(), report=report) == [
        Record(Key("in", 1, None, "c1"), Conversation((Message("user", "hi"),), "c1"), content[1]),
        Record(Key("in", 2, None, "h"), Conversation((Message("user", "hi"),), "h"), content[2]),
        Record(Key("in", 3, "chosen", "7"), a, transcripts),
        Record(Key("in", 3, "rejected", "7"), b, transcripts),
        Record(Key("in", 4, None, "t"), Conversation((Message("user", "hi"),), "t"), content[4]),
        Record(Key("in", 5), conversation(("user", "hi"))),
        Malformed(
            Key("in", 6, None, "bad"),
            "empty conversation: messages has no messages",
            "record/empty-conversation",
            content[6],
        ),
        Malformed(
            Key("in", 7),
            f"unknown format: an object with the keys 'data', '\\x1b[2J'; {KNOWN}",
            "record/unknown-format",
            content[7],
        ),
    ]
    assert list(report.formats) == [("in", "openai"), ("in", "sharegpt"), ("in", "hh"), ("in", "pairs")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\xef\xbb\xbf\r\n", []),
        (b'\xef\xbb\xbf{"prompt": "hi"}\r\n', [(1, None, HI)]),
        (b'[{"role": "user",\n "content": "hi"}]', [(1, None, HI)]),
        (b'{"messages": [\n {"role": "user",\n  "content": "hi"}]}', [(1, None, HI)]),
        (b'[\n{"prompt": "hi"},\n{"prompt": "hi"}\n]', [(2, None, HI), (3, None, HI)]),
        (b'["hi", {"input": ["hi", "hi"]}]', [(1, None, HI), (1, "1.input.0", HI), (1, "1.input.1", HI)]),
        (b'{"prompt": "hi"}\n5', [(1, None, HI), (2, None, f"unknown format: a number; {KNOWN}")]),
        (b'{"prompt": "\xff"}\n"hi"', [(1, None, INVALID), (2, None, HI)]),
        (gzip.compress(b"User: hi"), [(1, None, HI)]),
        (gzip.compress(b"hi\nyo\n")[:-9], [(1, None, HI), (2, None, [("user", "yo")]), (3, None, CUT_OFF)]),
        ("hi".encode("utf-16"), [(1, None, UTF16)]),
    ],
)
def test_read(content, expected):
    assert read_texts(content) == expected


def test_a_repaired_record_is_flagged():
    (record,) = read_all(b'{"prompt": "a\\ud83d"}')
    expected = Conversation((Message("user", "a\ufffd"),), flags=("invalid_unicode",))
    assert record == Record(Key("in", 1), expected, {"prompt": "a\ufffd"})


@pytest.mark.parametrize(
    ("format", "content", "expected"),
    [
        ("hh", b'{"transcript": "Human: hi", "messages": []}', HI),
        ("pairs", b'{"messages": []}', "expected the format pairs, got an object with the keys 'messages'"),
        ("openai", b"{}", "expected the format openai, got an object"),
        ("openai", b"hi", 'not JSON: Expecting value at column 1 (ReadOptions(format="lines") reads plain text)'),
        ("lines", b"hi", HI),
        ("transcript", b"hi", "there is text before the first speaker (such as `User:`)"),
    ],
)
def test_forced(format, content, expected):
    report = ReadReport()
    assert read_texts(content, format=format, report=report) == [(1, None, expected)]
    assert list(report.formats) == []


def test_an_unknown_format():
    with pytest.raises(ValueError, match=r"unknown format 'xml'; expected one of batches, .*"):
        read_all(b"", format="xml")


@pytest.mark.parametrize(
    "written",
    [
        b'{"prompt": "hi"}\n',
        b"hi\n",
        b'{\n "prompt": "hi"\n}\n',
        gzip.compress(b"hi\n"),
    ],
)
def test_a_record_on_a_live_pipe_does_not_wait_for_the_next(written):
    check_live(written)


def check_live(written, format=None):
    """What is written is read before more is."""
    reading, writing = os.pipe()
    heard: Queue = Queue()

    def listen():
        with open(reading, "rb") as stream:
            for record in read(stream, "-", format=format):
                heard.put([(message.role, message.content) for message in record.conversation.messages])

    listener = threading.Thread(target=listen)
    listener.start()
    with open(writing, "wb", buffering=0) as pipe:
        pipe.write(written)
        assert heard.get(timeout=60) == HI
        pipe.write(written)
        assert heard.get(timeout=60) == HI
    listener.join()
    assert heard.empty()


def test_a_transcript_on_a_live_pipe_does_not_wait_for_the_next_conversation():
    check_live(b"User: hi\n---\n", format="transcript")


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (b"a\n", b"\nhi", 3),
        (b'"a"\n"', b'"\n"hi"', 3),
        (b'["', b'",\n"hi"]', 2),
        (b'{\n"prompt": "', b'"}\n"hi"', 3),
        (b'[{"role": "user", "content": "a"}, {"role": "user", "content": "', b'"}]\n"hi"', 2),
    ],
)
def test_memory_is_bounded_on_a_record_of_50_megabytes(before, after, line):
    def content():
        yield before
        for _ in range(800):
            yield b"x" * 65536
        yield after

    tracemalloc.start()
    try:
        *_, malformed, last = read(Chunks(content()), "in")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(malformed, Malformed)
    assert malformed.reason.endswith("is longer than 1048576 bytes; ReadOptions.max_record_bytes sets the limit")
    assert last == Record(Key("in", line), conversation(("user", "hi")))
    assert peak < 8 << 20  # measured: 2 to 5 MiB


lists = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=9,
)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "x"]), "content": lists}), min_size=1
)
records = st.one_of(
    st.fixed_dictionaries({"messages": messages | lists}),
    st.fixed_dictionaries({"prompt": st.text()}, optional={"response": lists, "id": lists}),
    st.fixed_dictionaries({"conversations": messages}),
    st.fixed_dictionaries({"chosen": st.text().map("Human: ".__add__), "rejected": lists}),
    st.dictionaries(st.text(), lists),
)
bytes_like_ours = st.lists(
    st.binary(max_size=4)
    | st.sampled_from([b"{", b"}", b"[", b"]", b'"', b",", b":", b"\n", b"\r\n", b" ", b"\\", b"\\ud800", b"\0"])
    | st.sampled_from([b"User:", b"Assistant: ", b"---", b'{"prompt": "a"}', b'"role"', b"\x1f\x8b", b"\xef\xbb\xbf"]),
    max_size=40,
).map(b"".join)


@given(bytes_like_ours, st.sampled_from([None, *INPUT_FORMATS]), st.sampled_from([8, 1 << 20]))
def test_any_bytes_are_read(content, format, limit):
    records = read_all(content, format=format, max_record_bytes=limit)
    assert all(row.key.line >= 1 for row in records)
    keys = [(row.key.line, row.key.part) for row in records]
    assert len(set(keys)) == len(keys)
    header_alone = format == "csv"
    assert records or header_alone or not content.strip(b"\xef\xbb\xbf \t\r\n\f\v-[],\0\x1e\x1f\x8b")


@given(bytes_like_ours.filter(lambda content: content.strip()), st.data())
def test_the_size_of_the_chunks_does_not_matter(content, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=9)))
    pieces = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    assert list(read(Chunks(pieces), "in")) == list(read(Chunks([content]), "in"))


@pytest.mark.slow
@given(st.lists(lists, min_size=1).filter(lambda values: isinstance(values[0], (dict, str))))
def test_every_line_of_json_lines_is_accounted_for(values):
    records = read_all("\n".join(map(json.dumps, values)).encode())
    lines = [row.key.line for row in records]
    assert lines == sorted(lines)
    assert set(lines) == set(range(1, len(values) + 1))


@pytest.mark.slow
@given(
    st.lists(records, min_size=1).filter(lambda values: "role" not in values[0]),  # which would be a message
    st.sampled_from([(None, 200), (None, 1 << 20), (0, 1 << 20), (4, 1 << 20)]),
)
def test_an_array_is_read_like_json_lines(values, how):
    indent, limit = how

    def heard(content):
        records = read_all(content, max_record_bytes=limit)
        return [getattr(row, "conversation", None) or row.reason.replace("the line", "the value") for row in records]

    in_lines = "\n".join(map(json.dumps, values)).encode()
    assert heard(json.dumps(values, indent=indent).encode()) == heard(in_lines)


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "a", "prompt": "hi"}', '{"no": 1}', "{broken", "  {", '["hi"]', '[{"role": "user"', "[[1]]", "[1]",
        '\ufeff{"prompt": "hi"}', '\x1e{"prompt": "hi"}', '2024-05-01T10:00:00Z {"prompt": "hi"}',
        'data: {"prompt": "hi',
        'app | {"messages": [{"role": "user",', 'ht?"}]}', '"role": "user",', "}", "],", ' "content": "hi"}',
    ],
)  # fmt: skip
def test_a_json_record_among_text_lines_is_an_error(line):
    """What one person writes must not change how it is read, nor hide behind how it looks."""
    for content in (f"Log of today\n{line}\n", f"Log of today\n{line}\nbye"):
        first, second, *_ = list(read(BytesIO(content.encode()), "in"))
        assert first.conversation.messages[0].content == "Log of today"
        assert isinstance(second, Malformed), line
        assert second.reason.endswith('ReadOptions(format="lines") to read every line as text')
    assert [row for row in read_all(f"x\n{line}".encode(), format="lines") if isinstance(row, Malformed)] == []


@pytest.mark.parametrize(
    "line",
    [
        "hi", "[user] hi", "[12:30] <ann> hi", "[1] see there", "(a) {b}", "how do I parse {\"a\": 1} in Python?",
        "he said \"no\".", "Note: \"a\" and \"b\"", "a [b] c", "f(x) = {x}",
    ],
)  # fmt: skip
def test_text_is_text(line):
    records = list(read(BytesIO(f"Hello\n{line}\n".encode()), "in"))
    assert [row.conversation.messages[0].content for row in records] == ["Hello", line]


def test_text_among_json_records_is_an_error():
    records = list(read(BytesIO(b'{"prompt": "hi"}\nhow do I build a bomb?\n'), "in"))
    assert isinstance(records[1], Malformed)


def test_forced_lines_stay_lines():
    records = list(read(BytesIO(b'x\n{"prompt": "hi"}\n'), "in", format="lines"))
    assert records[1].conversation.messages[0].content == '{"prompt": "hi"}'
