"""What one taxonomy file says: its keys, what each may hold, and the Draft that is read from them.

It knows one file. What a category inherits, and whether what is named exists, is decided in `extends`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import field_types, yaml_nodes
from guardcli.taxonomy.field_types import LocatedText, boolean, choice, items, probability, text, word
from guardcli.taxonomy.problems import Problems, closest_match, quoted
from guardcli.taxonomy.rules import (
    ID,
    no_control_characters,
    no_hidden_characters,
    no_lookalike_letters,
    no_lookalike_letters_anywhere,
    no_marker,
    no_period,
    no_surrogates,
    not_like_a_verdict,
    one_line,
    one_word,
)
from guardcli.taxonomy.types import Detail, Example, Label, Location
from guardcli.taxonomy.yaml_nodes import MappingNode, Node, ScalarNode


@dataclass(frozen=True, slots=True)
class DraftCategory:
    """`given` has the fields that the file gives, and no others: the rest may be inherited."""

    id: LocatedText
    given: dict[str, Any]
    location: Location


@dataclass(frozen=True, slots=True)
class DraftTest:
    name: LocatedText
    prompt: str | None
    response: str | None
    expect: Label
    categories: tuple[LocatedText, ...]
    todo: bool
    location: Location


@dataclass(frozen=True, slots=True)
class Draft:
    """One file, before its parent is known; `complete` if the id of every category could be read."""

    name: str
    description: str | None
    extends: LocatedText | None
    drop: tuple[LocatedText, ...]
    detail: Detail | None
    threshold: float | None
    categories: tuple[DraftCategory, ...]
    tests: tuple[DraftTest, ...]
    complete: bool
    location: Location


def read(text: str, path: str, problems: Problems) -> Draft:
    """What a file says.

    Raises:
        TaxonomyError: it is no YAML, or no taxonomy; every lesser problem goes to `problems`.
    """
    problems.add_file(path)
    found = Problems()
    found.add_file(path)
    root = yaml_nodes.parse(text, path, found, quote=_LIKE_A_TAXONOMY.search(text) is not None)
    if not _is_taxonomy(root):
        raise TaxonomyError(root.location.problem(_NO_TAXONOMY, "no-taxonomy"))
    problems.include(found)
    given = field_types.mapping(root, "the file", problems, known=_TAXONOMY, required=["name"]) or {}
    draft = _draft(given, root.location)
    if draft.extends is None:
        _check_alone(given, draft, problems)
    _check_unique((category.id for category in draft.categories), "category", problems)
    _check_unique((test.name for test in draft.tests), "test", problems)
    return draft


def _is_taxonomy(root: Node) -> bool:
    """Whether a file says something that only a taxonomy says, or only what it is called.

    What is wrong with any other file, such as one that `extends` names by mistake or by malice, is told without a
    word of what it holds.
    """
    if not isinstance(root, MappingNode):
        return False
    keys = [key.text for key, _ in root.entries]
    own = [key for key in _TAXONOMY if key not in _OF_ANY_FILE]
    return _OF_ANY_FILE.issuperset(keys) or any(closest_match(key, own) for key in keys[:_LOOKED_AT])


def _draft(given: dict[str, Any], location: Location) -> Draft:
    categories = given.get("categories", ())
    inherits_all = "extends" in given and "categories" not in given
    return Draft(
        name=given.get("name", ""),
        description=given.get("description"),
        extends=given.get("extends"),
        drop=given.get("drop", ()),
        detail=given.get("detail"),
        threshold=given.get("threshold"),
        categories=tuple(category for category in categories if category.id.text),
        tests=given.get("tests", ()),
        complete=inherits_all or (bool(categories) and all(category.id.text for category in categories)),
        location=location,
    )


def _check_alone(given: dict[str, Any], draft: Draft, problems: Problems) -> None:
    if "categories" not in given:
        message = "`categories` is missing: list them, or start from another taxonomy with `extends`"
        problems.add(draft.location, message)
    for dropped in draft.drop:
        problems.add(
            dropped.location,
            f"{quoted(dropped.text)} cannot be dropped: `drop` needs `extends`, a taxonomy to drop it from",
        )


def _check_unique(words: Iterable[LocatedText], what: str, problems: Problems) -> None:
    first: dict[str, LocatedText] = {}
    for found in words:
        before = first.setdefault(found.text, found)
        if before is not found and found.text:
            line = before.location.line
            problems.add(found.location, f"{quoted(found.text)} is already the {what} in line {line}: rename one")


def _id(value: Node, what: str, problems: Problems) -> str:
    if isinstance(value, ScalarNode) and ID.fullmatch(value.text):
        return value.text
    if not isinstance(value, ScalarNode) or value.kind == "null":
        problems.add(value.location, field_types.mismatch(value, what, "an id, such as S1"))
        return ""
    problems.add(
        value.location,
        f"{quoted(value.text)} is no category id: write a capital letter and a number from 1 to 999; "
        "ids reach the model unchanged, and Llama Guard writes S1, O3",
    )
    return ""


def _dropped(value: Node, what: str, problems: Problems) -> str:
    if isinstance(value, ScalarNode) and value.kind != "null" and not ID.fullmatch(value.text):
        problems.add(value.location, f"{quoted(value.text)} is no category id: `drop` takes ids, such as S13")
        return ""
    return _id(value, what, problems)


def _example(value: Node, what: str, problems: Problems) -> Example | None:
    given = field_types.mapping(value, what, problems, known=_EXAMPLE, required=["user", "verdict"])
    if given is None:
        return None
    return Example(given.get("user", ""), given.get("assistant"), given.get("verdict", ""))


def _category(value: Node, what: str, problems: Problems) -> DraftCategory:
    given = field_types.mapping(value, what, problems, known=_CATEGORY, required=["id"]) or {}
    return DraftCategory(given.pop("id", LocatedText("", value.location)), given, value.location)


def _test(value: Node, what: str, problems: Problems) -> DraftTest | None:
    given = field_types.mapping(value, what, problems, known=_TEST, required=["name", "expect"])
    if given is None:
        return None
    if "prompt" not in given and "response" not in given:
        problems.add(value.location, "the test says nothing: add `prompt`, `response` or both")
    if given.get("expect") == "safe" and given.get("categories"):
        message = "a test that expects safe has no categories: remove them, or expect unsafe"
        problems.add(given["categories"][0].location, message)
    absent = {"prompt": None, "response": None, "categories": (), "todo": False}
    named = {"name": LocatedText("", value.location), "expect": ""}
    return DraftTest(**{**absent, **named, **given}, location=value.location)


# What people and models read is what people see: nothing hidden, nothing that poses as something else.
_plain = (no_hidden_characters, no_lookalike_letters, no_marker)
_line = text(no_control_characters, one_line, *_plain)
_read_by_model = text(no_control_characters, *_plain)
_bullets = items(_line)
_said = text(no_surrogates)  # conversations may hold anything, markers too: that is what is judged

_EXAMPLE = {
    "user": _read_by_model,
    "assistant": _read_by_model,
    "verdict": choice("safe", "unsafe"),
}

_CATEGORY = {
    "id": word(_id),
    "name": text(no_control_characters, one_line, *_plain, no_period),
    "key": word(
        text(
            no_control_characters,
            no_hidden_characters,
            no_lookalike_letters_anywhere,
            no_marker,
            one_word,
            not_like_a_verdict,
        )
    ),
    "description": _read_by_model,
    "should_not": _bullets,
    "can": _bullets,
    "should": _bullets,
    "threshold": probability,
    "examples": items(_example),
}

_TEST = {
    "name": word(_line),
    "prompt": _said,
    "response": _said,
    "expect": choice("safe", "unsafe"),
    "categories": items(word(_line)),
    "todo": boolean,
}

_NO_TAXONOMY = (
    "the file is no taxonomy: write a mapping, `key: value` in each line, with `name`, and `categories` or `extends`"
)
_OF_ANY_FILE = {"name", "description"}
_LOOKED_AT = 100  # keys of a file
_TAXONOMY = {
    "name": _line,
    "extends": word(_line),
    "drop": items(word(_dropped)),
    "detail": choice("names", "full"),
    "threshold": probability,
    "description": _read_by_model,  # for the people who read the file
    "categories": items(_category, least=1),
    "tests": items(_test),
}

# A text that is no YAML, but has one of the keys where keys are.
_LIKE_A_TAXONOMY = re.compile(rf"(?:^|[{{,])[ \t]*[\"']?(?:{'|'.join(_TAXONOMY)})[\"']?[ \t]*:", re.MULTILINE)
