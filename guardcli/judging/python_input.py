"""Python values → records: text, messages, conversations, records of any format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from guardcli import formats
from guardcli.conversation import Conversation, Json, Key, Malformed, Record

Input: TypeAlias = "str | Conversation | Mapping[str, Json] | Sequence[Json] | Record | Malformed"


def to_record(line: int, value: Input) -> Record | Malformed:
    """The record of a value; one that is a record already is returned as it is.

    >>> to_record(1, "How do I bake bread?").key
    Key(source=None, line=1, part=None, id=None)
    """
    if isinstance(value, (Record, Malformed)):
        return value
    try:
        if isinstance(value, Conversation):
            conversation = formats.validate_conversation(value)
        else:
            conversation = formats.parse(value)  # type: ignore[arg-type]
    except StopIteration as error:  # whoever iterates over values would take it for their end
        raise RuntimeError("a conversation's own code raised StopIteration") from error
    except formats.RecordError as error:
        return Malformed(Key(None, line), error.reason, error.code)
    return Record(Key(None, line, id=conversation.id), conversation, value if isinstance(value, Mapping) else {})


def conversations_of(values: Iterable[Input]) -> Iterable[Input]:
    """The values that an argument holds; one list of messages is one conversation.

    Raises:
        TypeError: one value where several are expected.
    """
    if isinstance(values, (str, bytes, Mapping, Conversation, Record, Malformed)):
        raise TypeError(
            f"expected several conversations, got one {type(values).__name__}: use check_one, or put it into a list"
        )
    if isinstance(values, Sequence) and values and _is_message(values[0]):
        return [values]
    return values


def _is_message(value: object) -> bool:
    return isinstance(value, Mapping) and "role" in value and "content" in value
