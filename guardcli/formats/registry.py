"""The JSON formats, and how the records are made from one JSON value.

A format is one module and one entry of `FORMATS`. The first format that `matches` a value parses it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol, TypeAlias

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, NamedConversations, Record
from guardcli.formats import ai_sdk, batch_api, decoding, exports, hh, openai, otel, pairs, paths, sharegpt, traces
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type, quote_names
from guardcli.formats.field_names import find_id_name
from guardcli.formats.frames import Frame
from guardcli.formats.unread_text import NO_IGNORED_PATHS, IgnoredPaths, account_for_text, format_text_path, list_text


class Format(Protocol):
    """A module for one JSON format."""

    def matches(self, value: Json) -> bool:
        """Return whether a value is of this format."""

    def parse(self, value: Json, claims: Claims) -> NamedConversations:
        """Return the conversations in a value that matches, and claim every text that was read.

        Raises:
            RecordError: The value is of this format, but invalid.
        """


# The order matters: formats with rare keys come before those with common ones. Users write these names.
FORMATS: dict[str, Format] = {
    "batches": batch_api,
    "telemetry": otel,
    "traces": traces,
    "vercel": ai_sdk,
    "openai": openai,
    "pairs": pairs,
    "sharegpt": sharegpt,
    "hh": hh,
}

OnDetect: TypeAlias = Callable[[str], None]  # receives the name of a format
OnText: TypeAlias = Callable[[str, str, str], None]  # receives a path, the text there, and its status


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions:
    """How JSON values are read.

    `format` is the name of the only format to accept; None accepts all. `messages_path` says where in a value the
    conversation is. `start` is the first line to yield records from. `ignored` are paths of metadata, and
    `text_fields` are paths of text to judge in addition.
    """

    format: str | None = None
    messages_path: tuple[paths.Step, ...] = ()
    start: int = 1
    ignored: IgnoredPaths = NO_IGNORED_PATHS
    text_fields: tuple[tuple[str, ...], ...] = ()
    on_text: OnText | None = None


def records_from_bytes(frame: Frame, key: Key, options: RecordOptions, on_detect: OnDetect) -> list[Record | Malformed]:
    """Return the records in the bytes of one JSON value."""
    try:
        value, flags = decoding.decode_json(frame.content, frame.line)
    except RecordError as error:
        return [Malformed(key, error.reason)]
    raw = frame.raw or frame.content + b"\n"
    return records_from_value(value, flags=flags, raw=raw, key=key, options=options, on_detect=on_detect)


def records_from_value(
    value: Json, *, flags: tuple[str, ...], raw: bytes, key: Key, options: RecordOptions, on_detect: OnDetect
) -> list[Record | Malformed]:
    """Return the records in one JSON value.

    `flags` are those of decoding the value, and `raw` are the bytes of the input that it comes from.
    """
    fields = value if isinstance(value, dict) else {}
    id_ = record_id(value)
    if id_ is not None:
        key = Key(key.source, key.line, key.part, id_)
    try:
        conversations = parse_conversations(value, options, on_detect)
    except RecordError as error:
        return [Malformed(key, error.reason, fields)]
    records: list[Record | Malformed] = []
    for number, (name, conversation) in enumerate(conversations, start=1):
        part_key = key if name is None else replace(key, part=f"{key.part}.{name}" if key.part else name)
        has_next_part = number < len(conversations)
        # By position: keywords take a fifth longer, and there is one a record.
        records.append(Record(part_key, _with_id_and_flags(conversation, key.id, flags), fields, raw, has_next_part))
    return records


def parse_conversations(value: Json, options: RecordOptions, on_detect: OnDetect) -> NamedConversations:
    """Return the conversations in a JSON value.

    Raises:
        RecordError: The value is of no format, or not of `options.format`, or has text that would not be judged.
    """
    claims = Claims()
    conversations: NamedConversations = []
    try:
        try:
            selected = paths.get_at_path(value, options.messages_path) if options.messages_path else value
            conversations = _parse_selected(selected, options, claims, on_detect)
            if options.text_fields:
                conversations = [*conversations, *_parse_text_fields(value, options, claims)]
                if not conversations:
                    _reject(value)
        finally:
            if options.on_text is not None:
                for path, text, status in list_text(claims, value, conversations, options.ignored):
                    options.on_text(format_text_path(path), text, status.value)
        for _, conversation in conversations:
            for message in conversation.messages:
                decoding.check_nul(message.content)
        return account_for_text(claims, value, conversations, options.ignored)
    except RecursionError:
        raise RecordError("nested too deeply") from None


def record_id(value: Json) -> str | None:
    """Return the id that a record gives itself; None if it has none."""
    if not isinstance(value, dict):
        return None
    name = find_id_name(value)
    return None if name is None else str(value[name])


def _parse_selected(value: Json, options: RecordOptions, claims: Claims, on_detect: OnDetect) -> NamedConversations:
    """Return what the first matching format parses; nothing if none matches and `text_fields` are given."""
    name = options.format or _detect_format(value)
    if name is None:
        return [] if options.text_fields else _reject(value)
    if options.format is not None and not FORMATS[name].matches(value):
        raise RecordError(exports.conversion_hint(value) or f"not of the format {name}: {_describe(value)}")
    if options.format is None:
        on_detect(name)
    try:
        return FORMATS[name].parse(value, claims)
    except RecordError as error:
        raise RecordError(exports.conversion_hint(value) or error.reason) from None


def _detect_format(value: Json) -> str | None:
    for name, format in FORMATS.items():
        if format.matches(value):
            return name
    return None


def _reject(value: Json) -> NoReturn:
    raise RecordError(
        exports.conversion_hint(value)
        or f"no known format: {_describe(value)}; guard reads `messages`, or text under `prompt` and `response` "
        "(such as jq -c '{id, prompt: .message}' makes); --text-field names another field"
    )


def _parse_text_fields(value: Json, options: RecordOptions, claims: Claims) -> NamedConversations:
    """Return each text under `options.text_fields` as a conversation of one user message."""
    conversations: NamedConversations = []
    for names in options.text_fields:
        texts = claims.claim_texts(value, names)
        path = paths.format_path(names)
        parts = [path] if len(texts) == 1 else [f"{path}.{number}" for number in range(len(texts))]
        conversations += [
            (part, Conversation((Message("user", text),))) for part, text in zip(parts, texts, strict=True)
        ]
    return conversations


def _with_id_and_flags(conversation: Conversation, id: str | None, flags: tuple[str, ...]) -> Conversation:
    """Return a conversation with the id of its record, and the flags of decoding it."""
    if id is None and not flags:
        return conversation
    flags = (*flags, *conversation.flags)
    return Conversation(
        conversation.messages, id, flags, conversation.skipped, conversation.unread
    )  # `replace` is slow


def _describe(value: Json) -> str:
    if isinstance(value, dict) and value:
        return f"an object with the keys {quote_names(value)}"
    return describe_type(value)
