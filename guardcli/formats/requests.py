"""Batch requests, and the answers that belong to them by `custom_id`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from guardcli.conversation import Conversation, Malformed, Record
from guardcli.errors import InputError


def index_requests(records: Iterable[Record | Malformed]) -> dict[str, Conversation]:
    """Return the conversations of batch requests by `custom_id`.

    Raises:
        InputError: a request cannot be read, or two have the same id.
    """
    conversations: dict[str, Conversation] = {}
    for record in records:
        location, id_ = record.key.location, record.key.id
        if isinstance(record, Malformed) or id_ is None:
            reason = record.reason if isinstance(record, Malformed) else "it has no custom_id"
            code = record.code if isinstance(record, Malformed) else "record/unmatched-answer"
            raise InputError(f"{location}: not a request: {reason}", code=code)
        if id_ in conversations:
            raise InputError(
                f"{location}: the custom_id {id_!r} is not unique among the requests", code="record/unmatched-answer"
            )
        conversations[id_] = record.conversation
    return conversations


def join_requests(
    records: Iterable[Record | Malformed], requests: Mapping[str, Conversation]
) -> Iterator[Record | Malformed]:
    """Put the messages of each answer after those of its request."""
    return (_join_request(record, requests) for record in records)


def _join_request(record: Record | Malformed, requests: Mapping[str, Conversation]) -> Record | Malformed:
    if isinstance(record, Malformed):
        return record
    request = requests.get(record.key.id or "")
    if request is None:
        return Malformed(
            record.key, f"no request has the custom_id {record.key.id!r}", "record/unmatched-answer", record.fields
        )
    answer = record.conversation
    conversation = replace(
        answer,
        messages=request.messages + answer.messages,
        flags=tuple(dict.fromkeys(request.flags + answer.flags)),
        skipped=request.skipped + answer.skipped,
        unread=tuple(dict.fromkeys(request.unread + answer.unread)),
        documents=request.documents + answer.documents,
        tools=request.tools + answer.tools,
    )
    return replace(record, conversation=conversation)
