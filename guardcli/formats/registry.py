"""A JSON value → the records in it: the first format that fits makes its conversations.

A format is one module and one line of `FORMATS`. Its `matches` says whether a value is of this format, its
`conversations` makes conversations of such a value (each with its name, where there are several) or raises
`RecordError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, NamedConversations, Record
from guardcli.formats import ai_sdk, batch_api, decoding, exports, hh, openai, otel, pairs, paths, sharegpt, traces
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type, quote_names
from guardcli.formats.field_names import find_id_name
from guardcli.formats.frames import Frame
from guardcli.formats.unread_text import NO_IGNORED_PATHS, IgnoredPaths, account_for_text, format_text_path, list_text


class Format(Protocol):
    def matches(self, value: Json) -> bool: ...

    def parse(self, value: Json, account: Claims) -> NamedConversations: ...


# The first that fits: those that are known by rarer keys stand before those that are known by common ones.
FORMATS: dict[str, Format] = {
    "batches": batch_api, "telemetry": otel, "traces": traces, "vercel": ai_sdk,
    "openai": openai, "pairs": pairs, "sharegpt": sharegpt, "hh": hh,
}  # fmt: skip

OnDetect = Callable[[str], None]  # told the name of a format


OnText = Callable[[str, str, str], None]  # told of each text of a record: its path, the text, and its fate


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How values are read: as which format if it is forced, where in a record the conversation is, from which line on,
    what the user calls metadata, and what else is to be judged."""

    format: str | None = None
    path: tuple[paths.Step, ...] = ()
    start: int = 1
    ignored: IgnoredPaths = NO_IGNORED_PATHS
    text_fields: tuple[tuple[str, ...], ...] = ()
    on_text: OnText | None = None


def records_from_bytes(chunk: Frame, key: Key, how: ReadOptions, report: OnDetect) -> list[Record | Malformed]:
    """The records in the bytes of a value."""
    try:
        value, flags = decoding.decode_json(chunk.content, chunk.line)
    except RecordError as error:
        return [Malformed(key, error.reason)]
    return records_from_value(value, flags, chunk.raw or chunk.content + b"\n", key, how, report)


def records_from_value(
    value: Json, flags: tuple[str, ...], raw: bytes, key: Key, how: ReadOptions, report: OnDetect
) -> list[Record | Malformed]:
    """The records in a value, with the flags of its reading and the bytes that it comes from."""
    fields = value if isinstance(value, dict) else {}
    id_ = record_id(value)
    if id_ is not None:
        key = Key(key.source, key.line, key.part, id_)
    try:
        found = parse_conversations(value, how, report)
    except RecordError as error:
        return [Malformed(key, error.reason, fields)]
    records: list[Record | Malformed] = []
    for number, (name, conversation) in enumerate(found, start=1):
        place = key if name is None else Key(key.source, key.line, f"{key.part}.{name}" if key.part else name, key.id)
        records.append(
            Record(
                key=place,
                conversation=_with_id_and_flags(conversation, key.id, flags),
                fields=fields,
                raw=raw,
                has_next_part=number < len(found),
            )
        )
    return records


def parse_conversations(value: Json, how: ReadOptions, report: OnDetect) -> NamedConversations:
    """The conversations in a value, each with its name where there are several.

    Raises:
        RecordError: it is of no format, or not of the one given, or holds text that would not be judged.
    """
    account = Claims()
    found: NamedConversations = []
    try:
        try:
            found = _parse_selected(paths.get_at_path(value, how.path) if how.path else value, how, account, report)
            if how.text_fields:
                found = [*found, *_parse_text_fields(value, how, account)] or _reject(value)
        finally:
            if how.on_text is not None:
                for path, text, fate in list_text(account, value, found, how.ignored):
                    how.on_text(format_text_path(path), text, fate.value)
        for _, conversation in found:
            for message in conversation.messages:
                decoding.check_nul(message.content)
        return account_for_text(account, value, found, how.ignored)
    except RecursionError:
        raise RecordError("nested too deeply") from None


def _parse_selected(value: Json, how: ReadOptions, account: Claims, report: OnDetect) -> NamedConversations:
    """The conversations that a format reads; none if the value is of no format, and text fields are named."""
    name = how.format or _detect_format(value)
    if name is None:
        return [] if how.text_fields else _reject(value)
    if how.format is not None and not FORMATS[name].matches(value):
        raise RecordError(exports.conversion_hint(value) or f"not of the format {name}: {_describe(value)}")
    if how.format is None:
        report(name)
    try:
        return FORMATS[name].parse(value, account)
    except RecordError as error:
        raise RecordError(exports.conversion_hint(value) or error.reason) from None


def _detect_format(value: Json) -> str | None:
    for name, format in FORMATS.items():
        if format.matches(value):
            return name
    return None


def _reject(value: Json) -> NamedConversations:
    raise RecordError(
        exports.conversion_hint(value)
        or f"no known format: {_describe(value)}; guard reads `messages`, or text under `prompt` and `response` "
        "(such as jq -c '{id, prompt: .message}' makes); --text-field names another field"
    )


def _parse_text_fields(value: Json, how: ReadOptions, account: Claims) -> NamedConversations:
    """The texts of the fields that the user names, each a conversation of its own: a user's message."""
    found: NamedConversations = []
    for names in how.text_fields:
        texts = account.claim_texts(value, names)
        name = paths.format_path(names)
        named = [name] if len(texts) == 1 else [f"{name}.{number}" for number in range(len(texts))]
        found += [(name, Conversation((Message("user", text),))) for name, text in zip(named, texts, strict=True)]
    return found


def _with_id_and_flags(conversation: Conversation, id: str | None, flags: tuple[str, ...]) -> Conversation:
    """A conversation with the record's id and flags."""
    if id is None and not flags:
        return conversation
    flags = (*flags, *conversation.flags)
    return Conversation(conversation.messages, id, flags, conversation.skipped, conversation.unread)


def _describe(value: Json) -> str:
    if isinstance(value, dict) and value:
        return f"an object with the keys {quote_names(value)}"
    return describe_type(value)


def record_id(value: Json) -> str | None:
    """The name that a record gives itself."""
    if not isinstance(value, dict):
        return None
    name = find_id_name(value)
    return None if name is None else str(value[name])
