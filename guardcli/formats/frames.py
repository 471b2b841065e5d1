"""Frames: the records of an input, as they are cut out of it, and before anything in their JSON is known."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from guardcli.conversation import Conversation, Json
from guardcli.formats.errors import RecordError

# What a frame holds: JSON that is still to be decoded, a row of a table, the conversation of plain text, or what is
# wrong with it.
Body: TypeAlias = "bytes | dict[str, Json] | Conversation | RecordError"


class Frame(NamedTuple):
    """One record, and the line on which it begins.

    `raw` has its bytes as they are in the input, with the line break; it is empty where a line holds several records.
    `before` has the bytes in front that belong to no record, such as blank lines or a CSV header.
    """

    line: int
    body: Body
    raw: bytes = b""
    before: bytes = b""
