from __future__ import annotations

from collections.abc import Iterator

import pytest

from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.judging.batching import CHARACTERS, FIRST, RECORDS, batch_records


def records(count: int, text: str = "hi") -> list[Record | Malformed]:
    return [Record(Key(None, line), Conversation((Message("user", text),))) for line in range(count)]


def test_nothing_is_lost() -> None:
    given = [*records(5 * RECORDS), Malformed(Key(None, 999), "bad", "record/not-json")]
    found = list(batch_records(given))
    sizes = [len(chunk) for chunk in found]
    assert sizes[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert max(sizes) == sizes[-2] == RECORDS
    assert [record for chunk in found for record in chunk] == given
    assert list(batch_records([])) == []


def test_long_records_come_in_shorter_lists() -> None:
    found = list(batch_records(records(5, "x" * (CHARACTERS // 2))))
    assert [len(chunk) for chunk in found] == [2, 2, 1]


def test_no_more_is_read_than_a_list_holds() -> None:
    read: list[int] = []

    def source() -> Iterator[Record | Malformed]:
        for record in records(3 * RECORDS):
            read.append(record.key.line)
            yield record

    next(batch_records(source()))
    assert len(read) == FIRST


def test_what_was_read_before_an_exception_comes_before_it() -> None:
    def failing() -> Iterator[Record | Malformed]:
        yield from records(3)
        raise OSError("gone")

    found = batch_records(failing())
    assert len(next(found)) == 3
    with pytest.raises(OSError, match="gone"):
        next(found)
