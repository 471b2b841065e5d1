"""A JSON value → the records in it: the first format that fits makes its conversations.

A format is one module and one line of `FORMATS`. Its `matches` says whether a value is of this format, its
`conversations` makes conversations of such a value (each with its name, where there are several) or raises
`Unreadable`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from guardcli.conversation import Conversation, Json, Key, Malformed, Record
from guardcli.formats import batches, decoding, hh, openai, pairs, paths, sharegpt, telemetry, traces, unread, vercel
from guardcli.formats.faults import Unreadable, kind, listed
from guardcli.formats.pieces import Chunk


class Format(Protocol):
    def matches(self, value: Json) -> bool: ...

    def conversations(self, value: Json) -> list[tuple[str | None, Conversation]]: ...


# The first that fits: those that are known by rarer keys stand before those that are known by common ones.
FORMATS: dict[str, Format] = {
    "batches": batches, "telemetry": telemetry, "traces": traces, "vercel": vercel,
    "openai": openai, "pairs": pairs, "sharegpt": sharegpt, "hh": hh,
}  # fmt: skip

# What a format reads of the fields that hold a prompt, a response or a conversation in others: all else beside it must
# say nothing new.
_READ: dict[str, tuple[str, ...]] = {
    "traces": ("input", "output"),
    "vercel": ("messages",),
    "openai": ("messages",),
    "sharegpt": ("conversations",),
    "hh": ("chosen", "rejected", "transcript"),
}

_IDS = ("id", "custom_id", "conversation_id", "conversation_hash", "trace_id")

Report = Callable[[str], None]  # told the name of a format


@dataclass(frozen=True, slots=True)
class How:
    """What is forced: a format, the path to the conversation in a record, and the line to begin at."""

    format: str | None = None
    path: tuple[paths.Step, ...] = ()
    start: int = 1


def of_chunk(chunk: Chunk, key: Key, how: How, report: Report) -> Iterator[Record | Malformed]:
    """The records in the bytes of a value."""
    try:
        value, flags = decoding.value(chunk.content, chunk.line)
    except Unreadable as error:
        yield Malformed(key, error.reason)
        return
    yield from of_value(value, flags, chunk.content, key, how, report)


def of_value(
    value: Json, flags: tuple[str, ...], raw: bytes, key: Key, how: How, report: Report
) -> Iterator[Record | Malformed]:
    """The records in a value, with the flags of its reading and the bytes that it comes from."""
    fields = value if isinstance(value, dict) else {}
    key = Key(key.source, key.line, key.part, id_of(value))
    try:
        found = convert(paths.select(value, how.path), how.format, report)
    except Unreadable as error:
        yield Malformed(key, error.reason, fields)
        return
    for left, (name, conversation) in zip(reversed(range(len(found))), found, strict=True):
        place = Key(key.source, key.line, ".".join(filter(None, (key.part, name))) or None, key.id)
        yield Record(place, Conversation(conversation.messages, key.id, flags), fields, raw, left > 0)


def convert(value: Json, format: str | None, report: Report) -> list[tuple[str | None, Conversation]]:
    """The conversations in a value, each with its name where there are several.

    Raises:
        Unreadable: it is of no format, or not of the one given, or holds text that would not be judged.
    """
    name = format or next((name for name in FORMATS if FORMATS[name].matches(value)), None)
    if name is None:
        raise Unreadable(
            f"no known format: {_described(value)}; guard reads `messages`, or text under `prompt` and `response` "
            "(such as jq -c '{id, prompt: .message}' makes)"
        )
    if not FORMATS[name].matches(value):
        raise Unreadable(f"not of the format {name}: {_described(value)}")
    if format is None:
        report(name)
    try:
        found = FORMATS[name].conversations(value)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    unread.check(value, found, _READ.get(name, ()))
    return found


def _described(value: Json) -> str:
    if isinstance(value, dict) and value:
        return f"an object with the keys {listed(value)}"
    return kind(value)


def id_of(value: Json) -> str | None:
    """The name that a record gives itself."""
    fields = value if isinstance(value, dict) else {}
    named = (fields.get(key) for key in _IDS)
    return next((str(id) for id in named if isinstance(id, (str, int)) and not isinstance(id, bool)), None)
