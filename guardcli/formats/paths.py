"""A place in a JSON value by its path, such as `payload.chat[0].messages`: for exports that no format knows.

Names are parted by dots, a name with a dot in it stands in quotes, `[0]` counts from 0 and `[-1]` from the end; a `$`
at the beginning, as JSONPath has it, means nothing. It knows no format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from guardcli.conversation import Json
from guardcli.formats.errors import RecordError, describe_type, quote_names

Step = str | int

_STEP = re.compile(r"""\.?(?:"([^"]+)"|'([^']+)'|([^.\[\]"']+))|\[(-?\d+)\]|\[(?:"([^"]+)"|'([^']+)')\]""")
_LISTED_PATH = re.compile(r"""(?:"[^"]*"|'[^']*'|[^,"'])+""")
_PLAIN_NAME = re.compile(r"""[^.\[\]"',\s](?:[^.\[\]"',\n]*[^.\[\]"',\s])?\Z""")


def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a path. Raises ValueError: it is none."""
    text = path.removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"{path!r} is no path: it goes wrong at {text[at:]!r}; write names.and[0]")
        number = match[4]
        steps.append(int(number) if number is not None else next(filter(None, match.groups())))
        at = match.end()
    if not steps:
        raise ValueError(f"{path!r} names no place")
    return tuple(steps)


def parse_paths(text: str) -> frozenset[tuple[str, ...]]:
    """Places without numbers, parted by commas, such as `title,messages[].note`: lists do not count in them.

    Raises:
        ValueError: one is no path.
    """
    found = [one.strip() for one in _LISTED_PATH.findall(text)]
    if not any(found):
        raise ValueError(f"{text!r} names no place")
    steps = (parse_path(one.replace("[]", "")) for one in found if one)
    return frozenset(tuple(step for step in one if isinstance(step, str)) for one in steps)


def format_path(steps: Sequence[Step], item: str = "[]") -> str:
    """Steps as `parse_all` reads them: names that hold more than a plain name in quotes, each list as `item`."""
    named = (item if isinstance(step, int) else f".{_quoted(step)}" for step in steps)
    return "".join(named).removeprefix(".")


def _quoted(name: str) -> str:
    return name if _PLAIN_NAME.match(name) else f'"{name}"' if '"' not in name else f"'{name}'"


def find_field(fields: Mapping[str, Json], name: str) -> Iterator[Json]:
    """The value of a field: the one of that very name, else the one inside another; nothing if it is missing."""
    if name in fields:
        yield fields[name]
        return
    first, dot, rest = name.partition(".")
    inner = fields.get(first)
    if dot and isinstance(inner, dict):
        yield from find_field(inner, rest)


def get_at_path(value: Json, steps: Sequence[Step]) -> Json:
    """What stands at a place. Raises RecordError, naming the step that leads nowhere."""
    for at, step in enumerate(steps):
        place = format_steps(steps[: at + 1])
        if isinstance(step, int):
            if not isinstance(value, list):
                raise RecordError(f"no {place} in this record: there is {describe_type(value)} where a list is wanted")
            if not -len(value) <= step < len(value):
                raise RecordError(f"no {place} in this record: the list has {len(value)} items")
            value = value[step]
        else:
            if not isinstance(value, dict):
                raise RecordError(
                    f"no {place} in this record: there is {describe_type(value)} where an object is wanted"
                )
            if step not in value:
                there = f"the keys {quote_names(value)}" if value else "no keys"
                raise RecordError(f"no {place} in this record: there are {there}")
            value = value[step]
    return value


def format_steps(steps: Sequence[Step]) -> str:
    """Steps as they are written."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
