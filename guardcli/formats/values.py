"""A JSON value → the records in it: the first format that fits makes its conversations.

A format is one module and one line of `FORMATS`. Its `matches` says whether a value is of this format, its
`conversations` makes conversations of such a value (each with its name, where there are several) or raises
`Unreadable`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, Record
from guardcli.formats import (
    batches,
    decoding,
    exports,
    hh,
    openai,
    pairs,
    paths,
    sharegpt,
    telemetry,
    traces,
    vercel,
)
from guardcli.formats.account import Account
from guardcli.formats.faults import Unreadable, kind, listed
from guardcli.formats.names import id_name
from guardcli.formats.pieces import Chunk
from guardcli.formats.settlement import NOTHING_IGNORED, Ignored, listing, settled, written

Found = list[tuple["str | None", Conversation]]


class Format(Protocol):
    def matches(self, value: Json) -> bool: ...

    def conversations(self, value: Json, account: Account) -> Found: ...


# The first that fits: those that are known by rarer keys stand before those that are known by common ones.
FORMATS: dict[str, Format] = {
    "batches": batches, "telemetry": telemetry, "traces": traces, "vercel": vercel,
    "openai": openai, "pairs": pairs, "sharegpt": sharegpt, "hh": hh,
}  # fmt: skip

Report = Callable[[str], None]  # told the name of a format


OnText = Callable[[str, str, str], None]  # told of each text of a record: its path, the text, and its fate


@dataclass(frozen=True, slots=True)
class How:
    """How values are read: as which format if it is forced, where in a record the conversation is, from which line on,
    what the user calls metadata, and what else is to be judged."""

    format: str | None = None
    path: tuple[paths.Step, ...] = ()
    start: int = 1
    ignored: Ignored = NOTHING_IGNORED
    text_fields: tuple[tuple[str, ...], ...] = ()
    on_text: OnText | None = None


def of_chunk(chunk: Chunk, key: Key, how: How, report: Report) -> list[Record | Malformed]:
    """The records in the bytes of a value."""
    try:
        value, flags = decoding.value(chunk.content, chunk.line)
    except Unreadable as error:
        return [Malformed(key, error.reason)]
    return of_value(value, flags, chunk.raw or chunk.content + b"\n", key, how, report)


def of_value(
    value: Json, flags: tuple[str, ...], raw: bytes, key: Key, how: How, report: Report
) -> list[Record | Malformed]:
    """The records in a value, with the flags of its reading and the bytes that it comes from."""
    fields = value if isinstance(value, dict) else {}
    id_ = id_of(value)
    if id_ is not None:
        key = Key(key.source, key.line, key.part, id_)
    try:
        found = convert(value, how, report)
    except Unreadable as error:
        return [Malformed(key, error.reason, fields)]
    records: list[Record | Malformed] = []
    for number, (name, conversation) in enumerate(found, start=1):
        place = key if name is None else Key(key.source, key.line, f"{key.part}.{name}" if key.part else name, key.id)
        records.append(Record(place, _known(conversation, key.id, flags), fields, raw, number < len(found)))
    return records


def convert(value: Json, how: How, report: Report) -> Found:
    """The conversations in a value, each with its name where there are several.

    Raises:
        Unreadable: it is of no format, or not of the one given, or holds text that would not be judged.
    """
    account = Account()
    found: Found = []
    try:
        try:
            found = _read(paths.select(value, how.path) if how.path else value, how, account, report)
            if how.text_fields:
                found = [*found, *_text_fields(value, how, account)] or _nothing(value)
        finally:
            if how.on_text is not None:
                for path, text, fate in listing(account, value, found, how.ignored):
                    how.on_text(written(path), text, fate.value)
        for _, conversation in found:
            for message in conversation.messages:
                decoding.check_nul(message.content)
        return settled(account, value, found, how.ignored)
    except RecursionError:
        raise Unreadable("nested too deeply") from None


def _read(value: Json, how: How, account: Account, report: Report) -> Found:
    """The conversations that a format reads; none if the value is of no format, and text fields are named."""
    name = how.format or _format_of(value)
    if name is None:
        return [] if how.text_fields else _nothing(value)
    if how.format is not None and not FORMATS[name].matches(value):
        raise Unreadable(exports.advice(value) or f"not of the format {name}: {_described(value)}")
    if how.format is None:
        report(name)
    try:
        return FORMATS[name].conversations(value, account)
    except Unreadable as error:
        raise Unreadable(exports.advice(value) or error.reason) from None


def _format_of(value: Json) -> str | None:
    for name, format in FORMATS.items():
        if format.matches(value):
            return name
    return None


def _nothing(value: Json) -> Found:
    raise Unreadable(
        exports.advice(value)
        or f"no known format: {_described(value)}; guard reads `messages`, or text under `prompt` and `response` "
        "(such as jq -c '{id, prompt: .message}' makes); --text-field names another field"
    )


def _text_fields(value: Json, how: How, account: Account) -> Found:
    """The texts of the fields that the user names, each a conversation of its own: a user's message."""
    found: Found = []
    for names in how.text_fields:
        texts = account.claim_texts(value, names)
        name = paths.written(names)
        named = [name] if len(texts) == 1 else [f"{name}.{number}" for number in range(len(texts))]
        found += [(name, Conversation((Message("user", text),))) for name, text in zip(named, texts, strict=True)]
    return found


def _known(conversation: Conversation, id: str | None, flags: tuple[str, ...]) -> Conversation:
    """A conversation with the record's id and flags."""
    if id is None and not flags:
        return conversation
    flags = (*flags, *conversation.flags)
    return Conversation(conversation.messages, id, flags, conversation.skipped, conversation.unread)


def _described(value: Json) -> str:
    if isinstance(value, dict) and value:
        return f"an object with the keys {listed(value)}"
    return kind(value)


def id_of(value: Json) -> str | None:
    """The name that a record gives itself."""
    if not isinstance(value, dict):
        return None
    name = id_name(value)
    return None if name is None else str(value[name])
