"""Make the records of a frame: its JSON is decoded, its conversations are parsed, and each gets its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from guardcli.conversation import Conversation, Json, Key, Malformed, Record
from guardcli.formats import decoding
from guardcli.formats.compiled_options import CompiledOptions
from guardcli.formats.errors import RecordError
from guardcli.formats.field_names import find_id_name
from guardcli.formats.frames import Frame
from guardcli.formats.read_report import ReadReport
from guardcli.formats.registry import parse_conversations


def make_records(frame: Frame, key: Key, options: CompiledOptions, report: ReadReport) -> Sequence[Record | Malformed]:
    """Return the records of a frame: one for each conversation in it, or one that is malformed."""
    _, body, raw, before = frame
    if isinstance(body, Conversation):
        return (Record(key, body, {}, raw, False, before),)  # by position: keywords take a fifth longer
    if isinstance(body, RecordError):
        return [Malformed(key, body.reason, body.code, before=before)]
    fields: dict[str, Json] = {}
    try:
        value, flags = decoding.decode_json(body, frame.line) if isinstance(body, bytes) else (body, ())
        fields = value if isinstance(value, dict) else {}
        id_ = record_id(value)
        if id_ is not None:
            key = Key(key.source, key.line, key.part, id_)
        conversations = parse_conversations(value, options, report)
    except RecordError as error:
        return [Malformed(key, error.reason, error.code, fields, before)]
    if isinstance(body, bytes) and not raw:
        raw = body + b"\n"
    records: list[Record | Malformed] = []
    for number, (name, parsed) in enumerate(conversations, start=1):
        part_key = key if name is None else replace(key, part=f"{key.part}.{name}" if key.part else name)
        has_next_part = number < len(conversations)
        conversation = parsed
        if key.id is not None or flags:  # by position: `replace` is slow
            conversation = Conversation(
                parsed.messages, key.id, (*flags, *parsed.flags), parsed.skipped, parsed.unread, parsed.documents,
                parsed.tools,
            )  # fmt: skip
        records.append(Record(part_key, conversation, fields, raw, has_next_part, before))
        before = b""
    return records


def record_id(value: Json) -> str | None:
    """Return the id that a record gives itself; None if it has none."""
    if not isinstance(value, dict):
        return None
    name = find_id_name(value)
    return None if name is None else str(value[name])
