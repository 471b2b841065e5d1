import datetime
import io

import pyarrow
import pytest
from pyarrow import parquet

from tests.formats.in_memory import read_all, read_texts

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


def packed(values, **options):
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(values), sink, **options)
    return sink.getvalue()


WILD = [
    {"conversation_hash": f"h{n}", "conversation": CHAT, "timestamp": datetime.datetime(2024, 1, 1, n), "toxic": False}
    for n in range(5)
]


def test_each_row_is_a_record():
    records = read_all(packed(WILD))
    assert [(row.key.line, row.key.id) for row in records] == [(n + 1, f"h{n}") for n in range(5)]
    assert [message.content for message in records[0].conversation.messages] == ["hi", "hello"]
    assert records[3].fields["timestamp"] == "2024-01-01T03:00:00"


@pytest.mark.parametrize("start", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("group", [1, 2, 100])
def test_from_a_row_on(start, group):
    records = read_all(packed(WILD, row_group_size=group), start=start)
    assert [row.key.line for row in records] == list(range(start, 6))


def test_pairs_and_records_without_a_conversation():
    values = [{"prompt": "hi", "n": 1}, {"prompt": None, "n": 2}]
    assert read_texts(packed(values)) == [
        (1, None, [("user", "hi")]),
        (2, None, "empty conversation: neither a prompt nor a response"),
    ]


def test_a_damaged_file_is_an_error_row():
    content = packed(WILD)
    ((line, _, reason),) = read_texts(content[:100] + b"PAR1")
    assert line == 1
    assert reason.startswith("the Parquet data cannot be read any further")


def test_a_long_row_is_an_error_in_its_place():
    values = [{"prompt": "x" * 5000}, {"prompt": "hi"}]
    assert read_texts(packed(values), max_record_bytes=1024) == [
        (1, None, "the row is longer than 1024 bytes; ReadOptions.max_record_bytes sets the limit"),
        (2, None, [("user", "hi")]),
    ]


@pytest.mark.parametrize("form", ["lines", "transcript", "csv"])
def test_a_format_of_text_does_not_read_it(form):
    assert read_texts(packed(WILD), format=form) == [
        (1, None, f'this is Parquet, and ReadOptions(format="{form}") reads text: leave it out')
    ]


def test_a_row_is_a_json_record():
    assert read_texts(packed([{"prompt": "hi"}]), format="jsonl") == [(1, None, [("user", "hi")])]
