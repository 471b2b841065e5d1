"""The values that every package shares: messages, conversations, and the records of an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from guardcli.errors import ErrorCode

Role = Literal["user", "assistant", "system", "developer", "tool"]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    `content` is its text. `skipped` has the kind of each part that is not text, such as "image" or "tool_call". `calls`
    are the calls of functions among these parts, each as JSON: `{"name": …, "arguments": …}`.
    """

    role: Role
    content: str
    skipped: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A document that an answer was made from: its text, and the object that it is in, as JSON."""

    text: str
    json: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in their order; roles may follow each other in any order.

    `flags` are remarks of the reader that become flags of the row, such as "invalid_unicode". `skipped` has the kind of
    each thing outside the messages that is not text to judge, such as "tool_definition". `unread` has the paths of
    other text in the record: no message has this text, and nothing marks it as metadata. `documents` and `tools`, the
    latter each as JSON, are what criteria about answers from documents and calls of functions need.
    """

    messages: tuple[Message, ...]
    id: str | None = None
    flags: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    documents: tuple[Document, ...] = ()
    tools: tuple[str, ...] = ()

    @property
    def num_operator_messages(self) -> int:
        """The number of `system` or `developer` messages before the first turn: those of the operator.

        Only the role of the first message counts. In `system, developer, user` the operator wrote one message, and the
        `developer` message comes from somebody else.
        """
        count = 0
        for message in self.messages:
            if message.role not in ("system", "developer") or message.role != self.messages[0].role:
                break
            count += 1
        return count


# The conversations of one record. Each has the name that becomes `Key.part`: None where there is only one.
NamedConversations: TypeAlias = "list[tuple[str | None, Conversation]]"


@dataclass(frozen=True, slots=True)
class Key:
    """The position of a conversation in the input, which identifies its row.

    `source` is the path as given, "-" for stdin, or None for Python values. `line` counts from 1. `part` is the name of
    one of several conversations in a record, such as "chosen". `id` is for people and need not be unique.
    """

    source: str | None
    line: int
    part: str | None = None
    id: str | None = None

    @property
    def location(self) -> str:
        """The position as text: `source:line`, or `source:line:part`."""
        return f"{self.source or ''}:{self.line}" + (f":{self.part}" if self.part else "")


@dataclass(frozen=True, slots=True)
class Record:
    """One conversation of the input, with its key.

    `fields` is the JSON object of the record; it is empty for plain text. `raw` holds the bytes of the record, with
    the line break after them. `before` holds bytes in front of them that belong to no record: a CSV header, or blank
    lines. `has_next_part` is true if the next conversation comes from the same bytes.
    """

    key: Key
    conversation: Conversation
    fields: Mapping[str, Json] = field(default_factory=dict)
    raw: bytes = field(default=b"", repr=False, compare=False)
    has_next_part: bool = field(default=False, repr=False, compare=False)
    before: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that cannot be judged. `reason` tells the user what is wrong with it, and `code` tells programs."""

    key: Key
    reason: str
    code: ErrorCode
    fields: Mapping[str, Json] = field(default_factory=dict)
    before: bytes = field(default=b"", repr=False, compare=False)


def text_length(item: Record | Malformed) -> int:
    """The number of characters in the messages of a record; 0 if the record is malformed."""
    return 0 if isinstance(item, Malformed) else sum(len(message.content) for message in item.conversation.messages)
