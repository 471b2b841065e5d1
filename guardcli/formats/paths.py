"""Paths into JSON values, such as `payload.chat[0].messages`.

Names are separated by dots. A name that contains a dot is quoted. `[0]` is the first item of a list, and `[-1]` the
last. A leading `$`, as in JSONPath, is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from guardcli.conversation import Json
from guardcli.formats.errors import RecordError, describe_type, quote_names

Step = str | int
NamePaths: TypeAlias = "frozenset[tuple[str, ...]]"  # paths without lists: `a[].b` is `("a", "b")`

_STEP = re.compile(r"""\.?(?:"([^"]+)"|'([^']+)'|([^.\[\]"']+))|\[(-?\d+)\]|\[(?:"([^"]+)"|'([^']+)')\]""")
_LISTED_PATH = re.compile(r"""(?:"[^"]*"|'[^']*'|[^,"'])+""")
_PLAIN_NAME = re.compile(r"""[^.\[\]"',\s](?:[^.\[\]"',\n]*[^.\[\]"',\s])?\Z""")


def parse_path(path: str) -> tuple[Step, ...]:
    """Parse a path into its steps.

    >>> parse_path("chat[0].messages")
    ('chat', 0, 'messages')

    Raises:
        ValueError: The path is invalid.
    """
    text = path.removeprefix("$")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(
                f"invalid path {path!r}: cannot read {text[position:]!r}; expected names and indexes, such as "
                "choices[0].text"
            )
        index = match[4]
        steps.append(int(index) if index is not None else next(filter(None, match.groups())))
        position = match.end()
    if not steps:
        raise ValueError(f"invalid path {path!r}; expected at least one name or index, such as choices[0].text")
    return tuple(steps)


def parse_paths(text: str) -> NamePaths:
    """Parse comma-separated paths, such as `title,messages[].note`. Lists are left out: `a[].b` is `("a", "b")`.

    Raises:
        ValueError: A path is invalid.
    """
    texts = [path.strip() for path in _LISTED_PATH.findall(text)]
    if not any(texts):
        raise ValueError(f"invalid paths {text!r}; expected at least one name, such as title")
    paths = (parse_path(path.replace("[]", "")) for path in texts if path)
    return frozenset(tuple(step for step in path if isinstance(step, str)) for path in paths)


def format_path(steps: Sequence[Step], item: str = "[]") -> str:
    """Format a path for `parse_paths`: names are quoted where they must be, and each index is written as `item`."""
    parts = (item if isinstance(step, int) else f".{_quoted(step)}" for step in steps)
    return "".join(parts).removeprefix(".")


def _quoted(name: str) -> str:
    return name if _PLAIN_NAME.match(name) else f'"{name}"' if '"' not in name else f"'{name}'"


def find_field(fields: Mapping[str, Json], name: str) -> Iterator[Json]:
    """Yield the value of a field, or nothing if it is missing.

    `a.b` is the field of that very name, or else the field `b` of the object `a`.
    """
    if name in fields:
        yield fields[name]
        return
    first, dot, rest = name.partition(".")
    inner = fields.get(first)
    if dot and isinstance(inner, dict):
        yield from find_field(inner, rest)


def get_at_path(value: Json, steps: Sequence[Step]) -> Json:
    """Return the value at a path.

    Raises:
        RecordError: There is no such value. The message names the missing step.
    """
    for depth, step in enumerate(steps, start=1):
        place = format_steps(steps[:depth])
        if isinstance(step, int):
            if not isinstance(value, list):
                raise RecordError(
                    f"no {place} in this record: there is {describe_type(value)} where a list is expected",
                    code="record/path-not-found",
                )
            if not -len(value) <= step < len(value):
                raise RecordError(
                    f"no {place} in this record: the list has {len(value)} items", code="record/path-not-found"
                )
            value = value[step]
        else:
            if not isinstance(value, dict):
                raise RecordError(
                    f"no {place} in this record: there is {describe_type(value)} where an object is expected",
                    code="record/path-not-found",
                )
            if step not in value:
                there = f"the keys {quote_names(value)}" if value else "no keys"
                raise RecordError(f"no {place} in this record: there are {there}", code="record/path-not-found")
            value = value[step]
    return value


def format_steps(steps: Sequence[Step]) -> str:
    """Format a path with its indexes, for a message: `chat[0].messages`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
