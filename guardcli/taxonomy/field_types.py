"""Values of the tree → Python's: text, a number, a choice, a list, a mapping with known keys.

Every reader takes a value, what a message calls it, and the problems; a value it cannot read becomes a
problem and something empty, so that reading goes on. It knows YAML's habits of mistaking text for something
else, and nothing of what a taxonomy holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from guardcli.taxonomy.problems import Problems, did_you_mean, quoted
from guardcli.taxonomy.rules import TextRule, not_empty, problem_code
from guardcli.taxonomy.types import Location
from guardcli.taxonomy.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

Reader: TypeAlias = Callable[[Node, str, Problems], Any]

_PROBABILITY = "a number from 0 to 1, such as 0.5"
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9]*)?")
_EXPONENT = re.compile(r"([-+]?[0-9]{1,20})(\.[0-9]{0,20})?[eE]([-+]?)([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class LocatedText:
    """Text that is checked again later, against other parts of the file."""

    text: str
    location: Location

    def __bool__(self) -> bool:
        return bool(self.text)


def text(*rules: TextRule) -> Reader:
    """Text without the blanks around it, on which the first rule that is broken is reported."""

    def read(value: Node, what: str, problems: Problems) -> str:
        if not isinstance(value, ScalarNode) or value.kind != "text":
            problems.add(value.location, _not_text(value, what))
            return ""
        stripped = value.text.strip()
        for rule in (not_empty, *rules):
            if broken := rule(stripped):
                problems.add(value.location, f"{what} {broken}", problem_code(rule))
                return ""
        return stripped

    return read


def word(read: Reader) -> Reader:
    return lambda value, what, problems: LocatedText(read(value, what, problems), value.location)


def items(read: Reader, *, least: int = 0) -> Reader:
    """A list, as a tuple without the items that could not be read."""

    def read_items(value: Node, what: str, problems: Problems) -> tuple[Any, ...]:
        if not isinstance(value, SequenceNode):
            problems.add(value.location, mismatch(value, what, "a list, each item after `- `"))
            return ()
        if len(value.items) < least:
            problems.add(value.location, f"{what} is empty: list at least one")
        found = [read(item, f"an item of {what}", problems) for item in value.items]
        return tuple(filter(None, found))

    return read_items


def choice(*allowed: str) -> Reader:
    wanted = " or ".join(allowed)

    def read(value: Node, what: str, problems: Problems) -> str:
        if isinstance(value, ScalarNode) and value.text in allowed:
            return value.text
        if isinstance(value, ScalarNode) and value.kind != "null":
            problems.add(value.location, f"{what} is {quoted(value.text)}: write {wanted}")
        else:
            problems.add(value.location, mismatch(value, what, wanted))
        return ""

    return read


def boolean(value: Node, what: str, problems: Problems) -> bool:
    if isinstance(value, ScalarNode) and value.kind == "boolean":
        return value.text.lower() in ("true", "yes", "on")
    problems.add(value.location, mismatch(value, what, "true or false"))
    return False


def probability(value: Node, what: str, problems: Problems) -> float | None:
    number = _number(value) if isinstance(value, ScalarNode) and value.kind == "number" else None
    if number is None or not 0 <= number <= 1:
        problems.add(value.location, _not_probability(value, what))
        return None
    return number + 0.0  # -0.0 is 0.0: equal decisions have equal digests


def mapping(
    value: Node, what: str, problems: Problems, *, known: Mapping[str, Reader], required: Sequence[str]
) -> dict[str, Any] | None:
    """What the known keys hold, in the order of the file; None if the value is no mapping."""
    if not isinstance(value, MappingNode):
        problems.add(value.location, mismatch(value, what, "a mapping, `key: value` in each line"))
        return None
    given, meant = {}, set()
    for key, entry in value.entries:
        if key.text in known:
            given[key.text] = known[key.text](entry, f"`{key.text}`", problems)
        else:
            near = problems.closest_match(key.text, known)
            meant.add(near)
            advice = did_you_mean(near) or f"known are {', '.join(known)}"
            problems.add(key.location, f"unknown key {quoted(key.text)}: {advice}")
    for name in required:
        if name not in given and name not in meant:  # one mistake is told once
            problems.add(value.location, f"`{name}` is missing: add `{name}: …`")
    return given


def _number(value: ScalarNode) -> float | None:
    try:
        return float(value.text)
    except ValueError:  # hexadecimal, base 60, `.nan`: all read as numbers by YAML
        return None


def _not_text(value: Node, what: str) -> str:
    if isinstance(value, MappingNode):
        return f"{what} is a mapping: write text, in quotes if it has a colon or begins with a brace"
    if not isinstance(value, ScalarNode) or value.kind == "null":
        return mismatch(value, what, "text")
    base_60 = _BASE_60.fullmatch(value.text)
    taken_for = f"the number {_from_base_60(value.text)}" if base_60 else f"a {value.kind}"
    return f"{quoted(value.text)} is read as {taken_for}: quote it"


def _not_probability(value: Node, what: str) -> str:
    if not isinstance(value, ScalarNode) or value.kind not in ("number", "text"):
        return mismatch(value, what, _PROBABILITY)
    if value.kind == "number" and _BASE_60.fullmatch(value.text):
        return f"{quoted(value.text)} is read as the number {_from_base_60(value.text)}: write {_PROBABILITY}"
    if value.kind == "number":
        return f"{what} is {quoted(value.text)}: write {_PROBABILITY}"
    exponent = _EXPONENT.fullmatch(value.text)
    if exponent and value.plain and 0 <= float(value.text) <= 1:
        return f"{quoted(value.text)} is read as text by YAML 1.1: write {_respelled(exponent)}"
    if not value.plain and _number(value) is not None:
        return f"{what} is text: remove the quotes"
    return f"{what} is {quoted(value.text)}: write {_PROBABILITY}"


def _respelled(number: re.Match[str]) -> str:
    """`1e-3` in the spellings that YAML 1.1 takes for a number."""
    whole, fraction, sign, exponent = number.groups()
    return f"{Decimal(number[0]):f} or {whole}{fraction or '.0'}e{sign or '+'}{exponent}"


def _from_base_60(number: str) -> str:
    total = 0.0
    for digits in number.replace("_", "").lstrip("+-").split(":"):
        total = total * 60 + float(digits)
    return f"{-total if number.startswith('-') else total:.15g}"


def mismatch(value: Node, what: str, wanted: str) -> str:
    """What is said of a value of another kind."""
    if isinstance(value, MappingNode):
        found = "a mapping"
    elif isinstance(value, SequenceNode):
        found = "a list"
    elif value.kind == "null":
        return f"{what} has no value: write {wanted}"
    else:
        found = "text" if value.kind == "text" else f"a {value.kind}"
    return f"{what} is {found}: write {wanted}"
