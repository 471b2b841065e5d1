"""Parse one taxonomy: YAML text, or a dict → Draft."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import dict_nodes, yaml_nodes
from guardcli.taxonomy.draft import Draft
from guardcli.taxonomy.field_types import LocatedText
from guardcli.taxonomy.problems import Problems, closest_match
from guardcli.taxonomy.schema import TAXONOMY
from guardcli.taxonomy.yaml_nodes import MappingNode, Node
from guardcli.text.quoting import quote

_NOT_A_TAXONOMY = (
    "not a taxonomy: write a mapping, `key: value` in each line, with `name`, and `categories` or `extends`"
)
_KEYS = [field.name for field in TAXONOMY.fields]
_KEYS_OF_ANY_FILE = {"name", "description"}
_MAX_KEYS = 100  # of a file that are compared with those of a taxonomy

# A text that is no YAML, but has one of the keys where keys are.
_LIKE_A_TAXONOMY = re.compile(rf"(?:^|[{{,])[ \t]*[\"']?(?:{'|'.join(_KEYS)})[\"']?[ \t]*:", re.MULTILINE)


def parse_draft(text: str, path: str, problems: Problems) -> Draft:
    """Parse the text of one file, and add what is wrong with it to `problems`.

    Raises:
        TaxonomyError: it is not YAML, or not a taxonomy.
    """
    problems.add_file(path)
    node_problems = Problems()
    root = yaml_nodes.parse(text, path, node_problems, quote=_LIKE_A_TAXONOMY.search(text) is not None)
    return _parse_root(root, node_problems, problems)


def parse_dict(value: Mapping[str, Any], path: str, problems: Problems) -> Draft:
    """Parse a dict as `parse_draft` parses a text. Raises TaxonomyError: it is not a taxonomy."""
    problems.add_file(path)
    node_problems = Problems()
    root = dict_nodes.from_dict(value, path, node_problems)
    return _parse_root(root, node_problems, problems)


def _parse_root(root: Node, node_problems: Problems, problems: Problems) -> Draft:
    if not _is_taxonomy(root):
        raise TaxonomyError(root.location.problem(_NOT_A_TAXONOMY, "taxonomy/not-a-taxonomy"))
    problems.include(node_problems)
    draft: Draft = TAXONOMY.parse(root, "the file", problems)
    _check_unique((category.id for category in draft.categories), "category", problems)
    _check_unique((test.name for test in draft.tests), "test", problems)
    return draft


def _is_taxonomy(root: Node) -> bool:
    """Whether the keys of a file are those of a taxonomy; `name` and `description` alone are enough.

    `extends` may name any file, by mistake or by malice. If that file is not a taxonomy, its message must not quote a
    word of it.
    """
    if not isinstance(root, MappingNode):
        return False
    keys = [key.text for key, _ in root.entries]
    own_keys = [key for key in _KEYS if key not in _KEYS_OF_ANY_FILE]
    return _KEYS_OF_ANY_FILE.issuperset(keys) or any(closest_match(key, own_keys) for key in keys[:_MAX_KEYS])


def _check_unique(names: Iterable[LocatedText], kind: str, problems: Problems) -> None:
    first: dict[str, LocatedText] = {}
    for name in names:
        before = first.setdefault(name.text, name)
        if before is not name and name:
            place = before.location.place
            problems.add(
                name.location,
                f"{quote(name.text)} is already the {kind} {place}: rename one",
                code="taxonomy/duplicate-id",
            )
