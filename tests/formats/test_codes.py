"""Each kind of record that cannot be read has its code, beside the line where it is."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from guardcli.conversation import Malformed
from tests.formats.in_memory import read_all


def messages(*messages: Any) -> bytes:
    return json.dumps({"messages": messages}).encode()


GOOD = messages({"role": "user", "content": "hi"})
GZIP = gzip.compress(GOOD + b"\n" + GOOD)
DEEP = b"[" * 100_000 + b"]" * 100_000

# Of each code the content of an input, and the options: its only malformed record is in the second line, or in the
# first where the whole input cannot be read.
SECOND: list[tuple[str, bytes, dict[str, Any]]] = [
    ("record/not-json", b'{"messages": [}', {}),
    ("record/not-json", b'{"messages": [', {}),
    ("record/invalid-encoding", b'{"prompt": "\xff"}', {}),
    ("record/invalid-encoding", b'{"prompt": "\0"}', {}),
    ("record/invalid-encoding", b'{"prompt": "\\u0000"}', {}),
    ("record/too-long", messages({"role": "user", "content": "x" * 2000}), {"max_record_bytes": 1000}),
    ("record/too-complex", b'{"prompt": ' + DEEP + b"}", {}),
    ("record/too-complex", b'{"prompt": "a", "n": ' + b"1" * 10_000 + b"}", {}),
    ("record/duplicate-key", b'{"prompt": "a", "prompt": "b"}', {}),
    ("record/wrong-type", messages("hi"), {}),
    ("record/wrong-type", messages({"role": "user", "content": 1}), {}),
    ("record/wrong-type", b'{"prompt": 1}', {}),
    ("record/missing-field", messages({"role": "user"}), {}),
    ("record/missing-field", messages({"role": "user", "content": [{}]}), {}),
    ("record/conflicting-fields", messages({"role": "user", "from": "gpt", "content": "hi"}), {}),
    ("record/unknown-role", messages({"role": "wizard", "content": "hi"}), {}),
    ("record/unknown-format", b'{"a": 1}', {}),
    ("record/unknown-format", b'{"prompt": "a"}', {"format": "openai"}),
    ("record/path-not-found", b'{"a": {}}', {"messages_path": "messages"}),
    ("record/no-speaker", b'{"chosen": "hi Human: a", "rejected": "b"}', {}),
    ("record/empty-conversation", messages(), {}),
    ("record/failed-request", b'{"custom_id": "a", "response": {"status_code": 500, "body": {}}}', {}),
    ("record/unread-text", b'{"prompt": "a", "message": {"content": "b"}}', {}),
]
WHOLE: list[tuple[str, bytes, dict[str, Any]]] = [
    ("record/no-speaker", b"hi\nUser: a\n", {"format": "transcript"}),
    ("record/looks-like-json", b'hi {"prompt": "a"}\n', {}),
    ("record/not-csv", b'prompt,response\n"a"b"c\n', {}),
    ("input/not-text", b"\x7fELF\x02\x01\x01" + b"\0" * 9, {}),
    ("input/not-text", "hi".encode("utf-16"), {}),
    ("input/damaged", GZIP[:-12], {}),
    ("input/invalid-header", b"prompt,prompt\na,b\n", {"format": "csv"}),
]


def faults(content: bytes, options: dict[str, Any]) -> list[tuple[int, str]]:
    """The line and the code of each malformed record."""
    records = read_all(content, **options)
    return [(record.key.line, record.code) for record in records if isinstance(record, Malformed)]


@pytest.mark.parametrize(("code", "content", "options"), SECOND)
def test_one_record(code: str, content: bytes, options: dict[str, Any]) -> None:
    assert faults(GOOD + b"\n" + content + b"\n" + GOOD, options) == [(2, code)]


@pytest.mark.parametrize(("code", "content", "options"), WHOLE)
def test_a_whole_input(code: str, content: bytes, options: dict[str, Any]) -> None:
    assert [found for _, found in faults(content, options)] == [code]
