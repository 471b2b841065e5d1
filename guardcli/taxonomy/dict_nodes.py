"""Make nodes of a dict, such as JSON or another configuration holds: as `yaml_nodes` makes them of a text."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guardcli.errors import TaxonomyError
from guardcli.taxonomy.problems import Problems
from guardcli.taxonomy.types import Location
from guardcli.taxonomy.yaml_nodes import MAX_DEPTH, MAX_NODES, Kind, MappingNode, Node, ScalarNode, SequenceNode
from guardcli.text.quoting import quote


def from_dict(value: Mapping[str, Any], path: str, problems: Problems) -> Node:
    """The nodes of a mapping and the values in it; keys that are not text go to `problems`.

    Raises:
        TaxonomyError: there are too many values, or one is of a type that YAML does not have.

    >>> from_dict({"name": "mine"}, "<dict>", Problems()).entries[0][1].location.key
    'name'
    """
    return _DictReader(path, problems).build(value, "", 0)


class _DictReader:
    def __init__(self, path: str, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self._node_count = 0

    def build(self, value: Any, key: str, depth: int) -> Node:
        self._node_count += 1
        location = Location(self._path, 0, self._node_count, key)
        if self._node_count > MAX_NODES:
            raise TaxonomyError(location.problem(f"more than {MAX_NODES:,} values: remove some", "taxonomy/too-large"))
        if depth > MAX_DEPTH:
            raise TaxonomyError(location.problem(f"more than {MAX_DEPTH} levels deep", "taxonomy/too-large"))
        if isinstance(value, Mapping):
            return MappingNode(location, tuple(self._entries(value, location, depth + 1)))
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
            return SequenceNode(
                location, tuple(self.build(item, f"{key}[{at}]", depth + 1) for at, item in enumerate(value))
            )
        kind, text = _scalar(value, location)
        return ScalarNode(location, text, kind, plain=False)

    def _entries(self, mapping: Mapping[Any, Any], location: Location, depth: int) -> Iterator[tuple[ScalarNode, Node]]:
        for name, value in mapping.items():
            if not isinstance(name, str):
                self._problems.add(
                    location,
                    f"the key {quote(str(name))} is of the type {type(name).__name__}: write text",
                    code="taxonomy/wrong-type",
                )
                continue
            node = self.build(value, f"{location.key}.{name}" if location.key else name, depth)
            yield ScalarNode(node.location, name, "text", plain=True), node


def _scalar(value: Any, location: Location) -> tuple[Kind, str]:
    """What YAML would take a value for, and its text. Raises TaxonomyError: a type that YAML does not have."""
    if value is None:
        return "null", ""
    if isinstance(value, bool):
        return "boolean", "true" if value else "false"
    if isinstance(value, (int, float)):
        return "number", repr(value)
    if isinstance(value, str):
        return "text", value
    if isinstance(value, datetime.date):
        return "date", value.isoformat()
    raise TaxonomyError(
        location.problem(
            f"expected text, a number, a list or a dict, got {type(value).__name__}", code="taxonomy/wrong-type"
        )
    )
