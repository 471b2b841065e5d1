"""The two exceptions of this package, and helpers for the text of their messages.

`RecordError` rejects one record, and `StreamError` ends the stream. Both become `Malformed` values.
"""

from __future__ import annotations

from collections.abc import Iterable

from guardcli.errors import ErrorCode, setting
from guardcli.text.lists import join_words

READ_LINES = setting("ReadOptions.format", "lines")  # in advice on input that is not JSON

MAX_QUOTED_NAMES = 8
MAX_QUOTED_LENGTH = 40  # characters

_TYPE_NAMES: dict[type, str] = {str: "text", list: "a list", dict: "an object"}


class RecordError(ValueError):
    """One record that cannot be read as a conversation; `reason` tells the user what is wrong with it."""

    def __init__(self, reason: str, *, code: ErrorCode) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class StreamError(Exception):
    """A stream that cannot be read any further. The records before it are valid."""

    def __init__(self, reason: str, *, code: ErrorCode) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


def describe_type(value: object) -> str:
    """Return the type of a JSON value in words.

    >>> describe_type([]), describe_type(1), describe_type(None)
    ('a list', 'a number', 'null')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return "a number"
    return _TYPE_NAMES.get(type(value)) or f"a Python {type(value).__name__}"


def quote(text: str) -> str:
    """Quote text of the input for a message. Input is hostile, so the text is escaped and cut."""
    ellipsis = "…" if len(text) > MAX_QUOTED_LENGTH else ""
    return ascii(text[:MAX_QUOTED_LENGTH]) + ellipsis


def quote_value(value: str) -> str:
    """Quote a value that is one of a few, such as a role. What holds a blank may be a message, and is not shown.

    >>> quote_value("narrator"), quote_value("How do I bake bread?")
    ("'narrator'", '(a text of 20 characters)')
    """
    return f"(a text of {len(value)} characters)" if any(map(str.isspace, value.strip())) else quote(value.strip())


def quote_names(names: Iterable[str]) -> str:
    """Quote the first few names of an object for a message: `'id', 'text', and 12 more`."""
    return join_words(names, limit=MAX_QUOTED_NAMES, quote=quote)


def too_long_message(what: str, limit: int) -> str:
    return f"{what} is longer than {limit} bytes; ReadOptions.max_record_bytes sets the limit"
