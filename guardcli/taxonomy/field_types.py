"""The types that a field of a taxonomy file can have.

Each type says twice what it accepts, in one place: `parse` reads a YAML node, and `json_schema` describes the same
values to an editor. `schema` builds its tables from these types:

    Field("threshold", Number(minimum=0, maximum=1, example=0.5), "A score from here on is unsafe; …")

A node that cannot be read is reported and becomes something empty, so that one run reports every problem of a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from guardcli.errors import TaxonomyCode
from guardcli.taxonomy.problems import Problems, did_you_mean
from guardcli.taxonomy.rules import ID, TextRule, not_empty, problem_code
from guardcli.taxonomy.types import Location
from guardcli.taxonomy.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode
from guardcli.text.quoting import quote

_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9]*)?")
_EXPONENT = re.compile(r"([-+]?[0-9]{1,20})(\.[0-9]{0,20})?[eE]([-+]?)([0-9]{1,2})")


class FieldType(Protocol):
    """What a field, or an item of a list, accepts."""

    def parse(self, node: Node, label: str, problems: Problems) -> Any:
        """Read a value. `label` names it in messages, such as "`name`" or "an item of `can`"."""
        ...

    def json_schema(self, description: str = "") -> dict[str, Any]:
        """Describe the accepted values in JSON Schema (draft-07)."""
        ...


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a mapping."""

    name: str
    type: FieldType
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class LocatedText:
    """Text together with where it was read, to be checked later against other parts of the file."""

    text: str
    location: Location

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True, slots=True)
class Text:
    """Text without the blanks around it. Of the rules, the first that it breaks is reported.

    `pattern` and `excluded` are the part of the rules that JSON Schema can express.
    """

    rules: tuple[TextRule, ...]
    pattern: str
    excluded: tuple[str, ...] = ()

    def parse(self, node: Node, label: str, problems: Problems) -> str:
        if not isinstance(node, ScalarNode) or node.kind != "text":
            problems.add(node.location, _not_text(node, label), code="taxonomy/wrong-type")
            return ""
        stripped = node.text.strip()
        for rule in (not_empty, *self.rules):
            if broken := rule(stripped):
                problems.add(node.location, f"{label} {broken}", problem_code(rule))
                return ""
        return stripped

    def json_schema(self, description: str = "") -> dict[str, Any]:
        schema = {"type": "string", "pattern": self.pattern, **_described(description)}
        return schema | ({"not": {"anyOf": [{"pattern": p} for p in self.excluded]}} if self.excluded else {})


@dataclass(frozen=True, slots=True)
class CategoryId:
    """The id of a category, such as S1. `advice` tells what to write where there is another word."""

    advice: str

    def parse(self, node: Node, label: str, problems: Problems) -> str:
        if isinstance(node, ScalarNode) and ID.fullmatch(node.text):
            return node.text
        if not isinstance(node, ScalarNode) or node.kind == "null":
            problems.add(node.location, _mismatch(node, label, "an id, such as S1"), code="taxonomy/wrong-type")
        else:
            problems.add(
                node.location, f"{quote(node.text)} is not a category id: {self.advice}", code="taxonomy/invalid-value"
            )
        return ""

    def json_schema(self, description: str = "") -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{ID.pattern}$", **_described(description)}


@dataclass(frozen=True, slots=True)
class WithLocation:
    """A type of text whose values keep where they were read."""

    type: Text | CategoryId

    def parse(self, node: Node, label: str, problems: Problems) -> LocatedText:
        return LocatedText(self.type.parse(node, label, problems), node.location)

    def json_schema(self, description: str = "") -> dict[str, Any]:
        return self.type.json_schema(description)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def parse(self, node: Node, label: str, problems: Problems) -> str:
        expected = " or ".join(self.words)
        if isinstance(node, ScalarNode) and node.text in self.words:
            return node.text
        if isinstance(node, ScalarNode) and node.kind != "null":
            problems.add(
                node.location, f"{label} is {quote(node.text)}: write {expected}", code="taxonomy/invalid-value"
            )
        else:
            problems.add(node.location, _mismatch(node, label, expected), code="taxonomy/wrong-type")
        return ""

    def json_schema(self, description: str = "") -> dict[str, Any]:
        return {"enum": list(self.words), **_described(description)}


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false, in any of the spellings of YAML 1.1."""

    def parse(self, node: Node, label: str, problems: Problems) -> bool:
        if isinstance(node, ScalarNode) and node.kind == "boolean":
            return node.text.lower() in ("true", "yes", "on")
        problems.add(node.location, _mismatch(node, label, "true or false"), code="taxonomy/wrong-type")
        return False

    def json_schema(self, description: str = "") -> dict[str, Any]:
        return {"type": "boolean", **_described(description)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number within bounds, both included. Messages give `example`."""

    minimum: float
    maximum: float
    example: float

    def parse(self, node: Node, label: str, problems: Problems) -> float | None:
        number = _to_float(node) if isinstance(node, ScalarNode) and node.kind == "number" else None
        if number is None or not self._holds(number):
            code: TaxonomyCode = "taxonomy/wrong-type" if number is None else "taxonomy/invalid-value"
            problems.add(node.location, self._not_number(node, label), code)
            return None
        return number + 0.0  # -0.0 is 0.0: equal decisions have equal digests

    def json_schema(self, description: str = "") -> dict[str, Any]:
        return {"type": "number", "minimum": self.minimum, "maximum": self.maximum, **_described(description)}

    def _holds(self, number: float) -> bool:
        return self.minimum <= number <= self.maximum

    def _not_number(self, node: Node, label: str) -> str:
        expected = f"a number from {self.minimum:g} to {self.maximum:g}, such as {self.example:g}"
        if not isinstance(node, ScalarNode) or node.kind not in ("number", "text"):
            return _mismatch(node, label, expected)
        if node.kind == "number" and _BASE_60.fullmatch(node.text):
            return f"{quote(node.text)} is read as the number {_from_base_60(node.text)}: write {expected}"
        if node.kind == "number":
            return f"{label} is {quote(node.text)}: write {expected}"
        exponent = _EXPONENT.fullmatch(node.text)
        if exponent and node.plain and self._holds(float(node.text)):
            return f"{quote(node.text)} is read as text by YAML 1.1: write {_respelled(exponent)}"
        if not node.plain and _to_float(node) is not None:
            return f"{label} is text: remove the quotes"
        return f"{label} is {quote(node.text)}: write {expected}"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, as a tuple without the items that could not be read."""

    items: FieldType
    min_items: int = 0

    def parse(self, node: Node, label: str, problems: Problems) -> tuple[Any, ...]:
        if not isinstance(node, SequenceNode):
            problems.add(
                node.location, _mismatch(node, label, "a list, each item after `- `"), code="taxonomy/wrong-type"
            )
            return ()
        if len(node.items) < self.min_items:
            problems.add(node.location, f"{label} is empty: list at least one", code="taxonomy/invalid-value")
        values = [self.items.parse(item, f"an item of {label}", problems) for item in node.items]
        return tuple(filter(None, values))

    def json_schema(self, description: str = "") -> dict[str, Any]:
        schema = {"type": "array", **_described(description), "items": self.items.json_schema()}
        return schema | ({"minItems": self.min_items} if self.min_items else {})


@dataclass(frozen=True, slots=True)
class FieldsCheck:
    """A check of several fields of a mapping together, and the keywords by which JSON Schema makes the same check."""

    report: Callable[[dict[str, Any], Location, Problems], None]
    json_schema: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOf:
    """A mapping with a table of fields, and what is made of it.

    `from_fields` gets the fields that the file has, in the order of the file, and the location of the mapping. It gets
    no fields where the node is not a mapping, which is reported.
    """

    fields: tuple[Field, ...]
    from_fields: Callable[[dict[str, Any], Location], Any]
    check: FieldsCheck | None = None

    def parse(self, node: Node, label: str, problems: Problems) -> Any:
        if not isinstance(node, MappingNode):
            problems.add(
                node.location,
                _mismatch(node, label, "a mapping, `key: value` in each line"),
                code="taxonomy/wrong-type",
            )
            return self.from_fields({}, node.location)
        values = self._parse_entries(node, problems)
        if self.check is not None:
            self.check.report(values, node.location, problems)
        return self.from_fields(values, node.location)

    def json_schema(self, description: str = "") -> dict[str, Any]:
        return {
            "type": "object",
            **_described(description),
            "properties": {field.name: field.type.json_schema(field.description) for field in self.fields},
            "required": [field.name for field in self.fields if field.required],
            "additionalProperties": False,
            **(self.check.json_schema if self.check is not None else {}),
        }

    def _parse_entries(self, node: MappingNode, problems: Problems) -> dict[str, Any]:
        types = {field.name: field.type for field in self.fields}
        values, meant = {}, set()
        for key, value in node.entries:
            if key.text in types:
                values[key.text] = types[key.text].parse(value, f"`{key.text}`", problems)
            else:
                near = problems.closest_match(key.text, types)
                meant.add(near)
                advice = did_you_mean(near) or f"known are {', '.join(types)}"
                problems.add(key.location, f"unknown key {quote(key.text)}: {advice}", code="taxonomy/unknown-key")
        for field in self.fields:
            if field.required and field.name not in values and field.name not in meant:  # one mistake is told once
                problems.add(
                    node.location, f"`{field.name}` is missing: add `{field.name}: …`", code="taxonomy/missing-key"
                )
        return values


def _described(description: str) -> dict[str, str]:
    return {"description": description} if description else {}


def _to_float(node: ScalarNode) -> float | None:
    try:
        return float(node.text)
    except ValueError:  # hexadecimal, base 60, `.nan`: all read as numbers by YAML
        return None


def _not_text(node: Node, label: str) -> str:
    if isinstance(node, MappingNode):
        return f"{label} is a mapping: write text, in quotes if it has a colon or begins with a brace"
    if not isinstance(node, ScalarNode) or node.kind == "null":
        return _mismatch(node, label, "text")
    base_60 = _BASE_60.fullmatch(node.text)
    taken_for = f"the number {_from_base_60(node.text)}" if base_60 else f"a {node.kind}"
    return f"{quote(node.text)} is read as {taken_for}: quote it"


def _respelled(number: re.Match[str]) -> str:
    """`1e-3` in the spellings that YAML 1.1 takes for a number."""
    whole, fraction, sign, exponent = number.groups()
    return f"{Decimal(number[0]):f} or {whole}{fraction or '.0'}e{sign or '+'}{exponent}"


def _from_base_60(number: str) -> str:
    """`1:30`, which YAML 1.1 reads as 90."""
    total = 0.0
    for digits in number.replace("_", "").lstrip("+-").split(":"):
        total = total * 60 + float(digits)
    return f"{-total if number.startswith('-') else total:.15g}"


def _mismatch(node: Node, label: str, expected: str) -> str:
    """The message for a node of another kind: "`can` is text: write a list, …"."""
    if isinstance(node, MappingNode):
        kind = "a mapping"
    elif isinstance(node, SequenceNode):
        kind = "a list"
    elif node.kind == "null":
        return f"{label} has no value: write {expected}"
    else:
        kind = "text" if node.kind == "text" else f"a {node.kind}"
    return f"{label} is {kind}: write {expected}"
