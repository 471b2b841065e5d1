"""Why something could not be read: the two exceptions of this package, and the words of their messages.

`Unreadable` ends one record, `Damaged` ends one source; `read` makes `Malformed` values of both. It knows
no format.
"""

from __future__ import annotations

from collections.abc import Iterable

KEYS_SHOWN = 8
CHARACTERS_SHOWN = 40

_KINDS: dict[type, str] = {str: "text", list: "a list", dict: "an object"}


class Unreadable(ValueError):
    """One value that is no conversation; `reason` says why, in words that a person can act on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Damaged(Exception):
    """A source that cannot be read any further; what was read before stands."""


def kind(value: object) -> str:
    """What a JSON value is, with its article."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return "a number"
    return _KINDS.get(type(value)) or f"a Python {type(value).__name__}"


def shown(text: str) -> str:
    """Text of the input as it may stand in a message: escaped and bounded, because input is hostile."""
    cut = "…" if len(text) > CHARACTERS_SHOWN else ""
    return ascii(text[:CHARACTERS_SHOWN]) + cut


def listed(names: Iterable[str]) -> str:
    """Names of the input in a message, the first few of them."""
    names = list(names)
    more = [f"and {len(names) - KEYS_SHOWN} more"] if len(names) > KEYS_SHOWN else []
    return ", ".join([*map(shown, names[:KEYS_SHOWN]), *more])


def too_long(what: str, limit: int) -> str:
    return f"{what} is longer than {limit} bytes; --max-record-bytes sets the limit"
