"""What a user should know of a record: text in it that no verdict covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from guardcli.conversation import Malformed, Record
from guardcli.formats.transcript import UNKNOWN_SPEAKER
from guardcli.formats.unread_text import UNREAD_TEXT

Topic = Literal["unread_text", "operator_messages", "unknown_speaker"]

MAX_REMARKS = 11  # of one topic that a `RemarkCollector` keeps


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark on a record at a location. `name` is the path of unread text, or the role of the operator's messages."""

    topic: Topic
    name: str
    location: str


def remarks_on(record: Record | Malformed) -> Iterator[Remark]:
    """Yield the remarks on a record."""
    if isinstance(record, Malformed):
        return
    conversation = record.conversation
    for path in conversation.unread:
        yield Remark(UNREAD_TEXT, path, record.key.location)
    if conversation.num_operator_messages:
        yield Remark("operator_messages", conversation.messages[0].role, record.key.location)
    if UNKNOWN_SPEAKER in conversation.flags:
        yield Remark(UNKNOWN_SPEAKER, "", record.key.location)


class RemarkCollector:
    """Keeps the first remark of each topic and name, for records that are read where nobody sees the remarks."""

    def __init__(self) -> None:
        self._remarks: dict[tuple[Topic, str], Remark] = {}
        self._counts: dict[Topic, int] = {}

    def watch(self, records: Iterable[Record | Malformed]) -> Iterator[Record | Malformed]:
        """Yield the records unchanged, and keep the remarks on each before it is yielded."""
        for record in records:
            for remark in remarks_on(record):
                self._keep(remark)
            yield record

    @property
    def remarks(self) -> list[Remark]:
        """The remarks, in the order of the records."""
        return list(self._remarks.values())

    def _keep(self, remark: Remark) -> None:
        key = remark.topic, remark.name
        if key in self._remarks or self._counts.get(remark.topic, 0) == MAX_REMARKS:
            return
        self._remarks[key] = remark
        self._counts[remark.topic] = self._counts.get(remark.topic, 0) + 1
