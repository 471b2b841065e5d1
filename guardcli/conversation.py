"""The values that every layer shares: messages, conversations, and records as they came in.

They know nothing of formats, prompts or models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Role = Literal["user", "assistant", "system", "developer", "tool"]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is its text; `skipped` names each part that is no text ("image", "tool_call")."""

    role: Role
    content: str
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in the order in which they were said; roles may come in any order.

    `flags` are remarks of the reader that end up in the row, such as "invalid_unicode". `skipped` names what the record
    holds beside its messages and is no text to judge ("tool_definition"). `unread` are the paths of text in the record
    that no message holds, and of which nothing says that it is metadata.
    """

    messages: tuple[Message, ...]
    id: str | None = None
    flags: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def context(self) -> int:
        """How many messages at the beginning are the operator's: `system` or `developer` before the first turn.

        Only one of the two speaks for the operator: a `developer` behind a `system` message is somebody else.
        """
        count = 0
        for message in self.messages:
            if message.role not in ("system", "developer") or message.role != self.messages[0].role:
                break
            count += 1
        return count


@dataclass(frozen=True, slots=True)
class Key:
    """Where a conversation stands in the input: the identity of its row.

    `source` is the path as given, "-" for stdin, None for Python values; `line` counts from 1; `part` names
    one of several conversations in a record ("chosen"). `id` is for people and may repeat.
    """

    source: str | None
    line: int
    part: str | None = None
    id: str | None = None

    @property
    def place(self) -> str:
        """The same for people: `source:line`, or `source:line:part`."""
        return f"{self.source or ''}:{self.line}" + (f":{self.part}" if self.part else "")


@dataclass(frozen=True, slots=True)
class Record:
    """One conversation with its key. `fields` is the JSON object that it came from, empty for plain text.

    `raw` are the bytes of the input that hold it, with the line break behind them; `more` says that the next
    conversation is of the same bytes. `before` are bytes in front of them that belong to no record: a CSV header, blank
    lines.
    """

    key: Key
    conversation: Conversation
    fields: Mapping[str, Json] = field(default_factory=dict)
    raw: bytes = field(default=b"", repr=False, compare=False)
    more: bool = field(default=False, repr=False, compare=False)
    before: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that cannot be judged, and the reason, in words that a person can act on."""

    key: Key
    reason: str
    fields: Mapping[str, Json] = field(default_factory=dict)
    before: bytes = field(default=b"", repr=False, compare=False)


def text_length(item: Record | Malformed) -> int:
    """How much text a record holds; none if it cannot be judged."""
    return 0 if isinstance(item, Malformed) else sum(len(message.content) for message in item.conversation.messages)
