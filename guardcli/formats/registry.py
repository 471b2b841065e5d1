"""The formats of records: which one a JSON value is of, and the conversations in it.

A format is one module and one entry of `FORMATS`. The first format that `matches` a value parses it.
"""

from __future__ import annotations

from typing import NoReturn, Protocol

from guardcli.conversation import Conversation, Json, Message, NamedConversations
from guardcli.formats import ai_sdk, batch_api, decoding, exports, hh, openai, otel, pairs, paths, sharegpt, traces
from guardcli.formats.beside import read_beside
from guardcli.formats.claims import Claims
from guardcli.formats.compiled_options import CompiledOptions
from guardcli.formats.errors import RecordError, describe_type, quote_names
from guardcli.formats.read_report import ReadReport
from guardcli.formats.unread_text import account_for_text, format_text_path, list_text


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


def parse_conversations(value: Json, options: CompiledOptions, report: ReadReport) -> NamedConversations:
    """Return the conversations in a JSON value.

    Raises:
        RecordError: The value is of no format, or not of `options.record_format`, or has text that would not be judged.
    """
    claims = Claims()
    conversations: NamedConversations = []
    try:
        try:
            selected = paths.get_at_path(value, options.messages_path) if options.messages_path else value
            conversations = read_beside(selected, _parse_selected(selected, options, claims, report), claims)
            if options.text_fields:
                conversations = [*conversations, *_parse_text_fields(value, options, claims)]
                if not conversations:
                    _reject(value)
        finally:
            if report.list_texts:
                entries = list_text(claims, value, conversations, options.ignored)
                report.texts += [(format_text_path(path), text, status) for path, text, status in entries]
        for _, conversation in conversations:
            for message in conversation.messages:
                decoding.check_nul(message.content)
        return account_for_text(claims, value, conversations, options.ignored)
    except RecursionError:
        raise RecordError("nested too deeply", code="record/too-complex") from None


def _parse_selected(value: Json, options: CompiledOptions, claims: Claims, report: ReadReport) -> NamedConversations:
    """Return what the first matching format parses; nothing if none matches and `text_fields` are given."""
    name = options.record_format or _detect_format(value)
    if name is None:
        return [] if options.text_fields else _reject(value)
    if options.record_format is not None and not FORMATS[name].matches(value):
        raise RecordError(
            exports.conversion_hint(value) or f"expected the format {name}, got {_describe(value)}",
            code="record/unknown-format",
        )
    if options.record_format is None:
        report.add_format(name)
    try:
        return FORMATS[name].parse(value, claims)
    except RecordError as error:
        raise RecordError(exports.conversion_hint(value) or error.reason, code=error.code) from None


def _detect_format(value: Json) -> str | None:
    for name, format in FORMATS.items():
        if format.matches(value):
            return name
    return None


def _reject(value: Json) -> NoReturn:
    raise RecordError(
        exports.conversion_hint(value)
        or f"unknown format: {_describe(value)}; expected `messages`, or text under `prompt` and `response` "
        "(such as jq -c '{id, prompt: .message}' makes); ReadOptions.text_fields names another field",
        code="record/unknown-format",
    )


def _parse_text_fields(value: Json, options: CompiledOptions, claims: Claims) -> NamedConversations:
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


def _describe(value: Json) -> str:
    if isinstance(value, dict) and value:
        return f"an object with the keys {quote_names(value)}"
    return describe_type(value)
