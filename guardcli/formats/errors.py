"""Why something could not be read: the two exceptions of this package, and the words of their messages.

`RecordError` ends one record, `StreamError` ends one source; `read` makes `Malformed` values of both. It knows
no format.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_QUOTED_NAMES = 8
MAX_QUOTED_LENGTH = 40

_KINDS: dict[type, str] = {str: "text", list: "a list", dict: "an object"}


class RecordError(ValueError):
    """One value that is no conversation; `reason` says why, in words that a person can act on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StreamError(Exception):
    """A source that cannot be read any further; what was read before stands."""


def describe_type(value: object) -> str:
    """What a JSON value is, with its article."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return "a number"
    return _KINDS.get(type(value)) or f"a Python {type(value).__name__}"


def quote(text: str) -> str:
    """Text of the input as it may stand in a message: escaped and bounded, because input is hostile."""
    cut = "…" if len(text) > MAX_QUOTED_LENGTH else ""
    return ascii(text[:MAX_QUOTED_LENGTH]) + cut


def quote_names(names: Iterable[str]) -> str:
    """Names of the input in a message, the first few of them."""
    names = list(names)
    more = [f"and {len(names) - MAX_QUOTED_NAMES} more"] if len(names) > MAX_QUOTED_NAMES else []
    return ", ".join([*map(quote, names[:MAX_QUOTED_NAMES]), *more])


def too_long_message(what: str, limit: int) -> str:
    return f"{what} is longer than {limit} bytes; --max-record-bytes sets the limit"
