import io

import pytest

from guardcli.formats import ReadReport
from tests.formats.in_memory import Pipe, read, read_all, read_texts


def test_each_row_is_a_record_on_the_line_where_it_begins():
    records = read_all(b'id,prompt,response\na,"hi,\nthere",hello\n\nb,"say ""x""",\n')
    assert [(row.key.line, row.key.id) for row in records] == [(2, "a"), (5, "b")]
    assert [[m.content for m in row.conversation.messages] for row in records] == [["hi,\nthere", "hello"], ['say "x"']]
    assert records[1].fields == {"id": "b", "prompt": 'say "x"', "response": None}
    assert [(row.before, row.raw) for row in records] == [
        (b"id,prompt,response\n", b'a,"hi,\nthere",hello\n'),
        (b"\n", b'b,"say ""x""",\n'),
    ]


@pytest.mark.parametrize("header", ["prompt,label", "label;text", "question\tid", ",prompt", '"prompt","label"'])
def test_matches_headers(header):
    delimiter = next(mark for mark in ",;\t" if mark in header)
    ((line, _, _),) = read_texts(f"{header}\nhi{delimiter}ho\n".encode())
    assert line == 2


@pytest.mark.parametrize(
    "text", ["prompt, please", "text", "Hello, text", "name,age", "prompt,prompt", "User: prompt,text", "text,1st"]
)
def test_prose_is_not_a_header(text):
    assert [said for _, _, said in read_texts(f"{text}\n".encode())] == [[("user", text.removeprefix("User: "))]]


def test_with_the_format_given_the_first_line_names_the_columns():
    assert read_texts(b"name,age\nx,1\n", format="csv")[0][2].startswith(
        "unknown format: an object with the keys 'name'"
    )
    assert read_texts(b"", format="csv") == [
        (1, None, "no header: expected the names of the columns in the first line of a CSV file")
    ]
    assert read_texts(b"a,a\n", format="csv")[0][2].startswith("two columns have the same name")


def test_a_row_with_the_wrong_number_of_cells_is_an_error():
    assert read_texts(b"prompt,label\nhi\nho,safe\n") == [
        (2, None, "expected 2 cells, as in the header, got 1"),
        (3, None, [("user", "ho")]),
    ]


def test_an_unclosed_quote_ends_the_stream_within_the_record_limit():
    ((_, _, fine), (_, _, reason)) = read_texts(b'prompt,n\nhi,1\n"oh,2\n' + b"x,1\n" * 2000, max_record_bytes=1024)
    assert fine == [("user", "hi")]
    assert reason.startswith("the row that begins on line 3 is longer than 1024 bytes")
    assert read_texts(b'prompt,n\n"oh,2\n')[0][2].startswith("the row is not CSV: ")


@pytest.mark.parametrize("bad", [b'"a"b,1', b"\xff,1", b"a\rb,1"])
def test_an_invalid_row_is_an_error_and_the_next_is_read(bad):
    (fine, (line, _, reason), last) = read_texts(b"prompt,n\nhi,1\n" + bad + b"\nho,2\n")
    assert (fine[2], line, last) == ([("user", "hi")], 3, (4, None, [("user", "ho")]))
    assert reason.startswith("the row is not CSV: ")


def test_messages_path_and_start():
    assert read_texts(b"prompt,n\nhi,1\nho,2\n", start=3) == [(3, None, [("user", "ho")])]
    assert read_texts(b"prompt,n\nhi,1\n", messages_path="prompt") == [(2, None, [("user", "hi")])]


def test_the_format_of_the_table_and_of_its_rows_are_reported():
    report = ReadReport()
    read_all(b"prompt,n\nhi,1\n", report=report)
    assert list(report.formats) == [("in", "csv"), ("in", "pairs")]


def test_a_line_longer_than_the_limit_is_one_error():
    assert [
        line for line, _, _ in read_texts(b"prompt," + b"n" * 40 + b"\nhi,1\n", format="csv", max_record_bytes=8)
    ] == [1]
    assert len(read_texts(b"Assistant: Assistant: ", format="csv", max_record_bytes=8)) == 1


HEADERS = [
    b"id,prompt,response,,",
    b"id, prompt, response",
    b"prompt,hate/threatening,violence",
    b"Content ID,Type,Input,Output",
    b"PROMPT;Label",
    b"Prompt\tNotes of the day",
    b"comment_text,Text,toxicity (0-1)",
    b"\xef\xbb\xbfprompt,label",
]


@pytest.mark.parametrize("header", HEADERS, ids=bytes.decode)
def test_a_header_is_detected_by_its_columns(header):
    delimiter = next(mark for mark in (b",", b";", b"\t") if mark in header)
    cells = [b'"hi\nthere"' if n == 0 else b"0" for n, _ in enumerate(header.split(delimiter))]
    (row,) = read_all(
        header + b"\n" + delimiter.join(cells) + b"\n", text_fields=["id", "Content ID", "prompt", "comment_text"]
    )[:1]
    assert row.key.line == 2


def test_a_line_that_declares_the_delimiter():
    assert read_texts(b"sep=;\r\nid;prompt\r\n1;hi, you\r\n") == [(3, None, [("user", "hi, you")])]
    assert read_texts(b"sep=|\nid|prompt\n1|hi\n") == [(3, None, [("user", "hi")])]


def test_a_column_of_text_that_is_not_read_is_unread_text():
    (row,) = read_all(b"id,prompt,notes,,\n1,hi,call her back,,and this here\n")
    assert row.conversation.unread == ("notes", "column 5")


def test_csv_is_not_detected_in_a_pipe():
    content = b"text,ok\nHi there,how do I build it\n"
    report = ReadReport()
    heard = [row.conversation.messages[0].content for row in read(Pipe(content), "-", report)]
    assert heard == content.decode().splitlines()
    assert len(list(read(io.BytesIO(content), "f", report))) == 1
    assert report.notes == [
        (
            "-",
            "the first line looks like a CSV header, but each line from a pipe is read as one message; "
            'use ReadOptions(format="csv") to read it as CSV',
        ),
        ("f", 'read as CSV because of its first line; use ReadOptions(format="lines") to read it as text'),
    ]
