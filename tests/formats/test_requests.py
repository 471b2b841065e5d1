"""Batch requests, and the answers that are put after them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from guardcli.conversation import Conversation, Malformed, Message, Record
from guardcli.errors import InputError
from guardcli.formats import ReadOptions, StreamPart, load_requests


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"custom_id":"a","body":{}}\n', ":1: not a request: body has neither messages"),
        ('{"prompt":"hi"}\n', ":1: not a request: it has no custom_id"),
        ('{"custom_id":"a","prompt":"hi"}\n' * 2, ":2: the custom_id 'a' is not unique among the requests"),
    ],
)
def test_requests_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(content)
    with pytest.raises(InputError) as raised:
        load_requests([str(path)])
    assert str(raised.value).startswith(f"{path}{message}")


def test_answers_come_after_their_requests(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text('{"custom_id":"a","prompt":"one"}\n{"custom_id":"b","prompt":"two"}\n')
    answers = io.BytesIO(
        b'{"custom_id":"b","messages":[{"role":"assistant","content":"2"}]}\n'
        b'{"custom_id":"c","messages":[{"role":"assistant","content":"3"}]}\n'
        b"{broken\n"
    )
    joined, unknown, broken = ReadOptions().read_stream(answers, StreamPart("x"), requests=load_requests([str(path)]))
    assert isinstance(joined, Record)
    assert joined.conversation == Conversation((Message("user", "two"), Message("assistant", "2")), id="b")
    assert isinstance(unknown, Malformed)
    assert unknown.reason == "no request has the custom_id 'c'"
    assert isinstance(broken, Malformed)
    assert broken.key.line == 3
