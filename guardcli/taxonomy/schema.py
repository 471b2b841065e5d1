"""What one taxonomy file says: its keys, what each may hold, and the Draft that is read from them.

It knows one file. What a category inherits, and whether what is named exists, is decided in `extends`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import fields, tree
from guardcli.taxonomy.fields import Word, boolean, choice, items, probability, text, word
from guardcli.taxonomy.problems import Problems, closest, quoted
from guardcli.taxonomy.tree import Mapping, Scalar, Value
from guardcli.taxonomy.values import Detail, Example, Label, Place
from guardcli.taxonomy.wording import (
    ID,
    encodable,
    no_marker,
    no_period,
    no_verdict,
    one_line,
    one_script,
    one_word,
    printable,
    visible,
    word_of_one_script,
)


@dataclass(frozen=True, slots=True)
class DraftCategory:
    """`given` has the fields that the file gives, and no others: the rest may be inherited."""

    id: Word
    given: dict[str, Any]
    place: Place


@dataclass(frozen=True, slots=True)
class DraftTest:
    name: Word
    prompt: str | None
    response: str | None
    expect: Label
    categories: tuple[Word, ...]
    todo: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Draft:
    """One file, before its parent is known; `complete` if the id of every category could be read."""

    name: str
    description: str | None
    extends: Word | None
    drop: tuple[Word, ...]
    detail: Detail | None
    threshold: float | None
    categories: tuple[DraftCategory, ...]
    tests: tuple[DraftTest, ...]
    complete: bool
    place: Place


def read(text: str, path: str, problems: Problems) -> Draft:
    """What a file says.

    Raises:
        TaxonomyError: it is no YAML, or no taxonomy; every lesser problem goes to `problems`.
    """
    problems.open(path)
    found = Problems()
    found.open(path)
    root = tree.parse(text, path, found, quote=_LIKE_A_TAXONOMY.search(text) is not None)
    if not _is_taxonomy(root):
        raise TaxonomyError(root.place.problem(_NO_TAXONOMY, "no-taxonomy"))
    problems.include(found)
    given = fields.mapping(root, "the file", problems, known=_TAXONOMY, required=["name"]) or {}
    draft = _draft(given, root.place)
    if draft.extends is None:
        _check_alone(given, draft, problems)
    _check_unique((category.id for category in draft.categories), "category", problems)
    _check_unique((test.name for test in draft.tests), "test", problems)
    return draft


def _is_taxonomy(root: Value) -> bool:
    """Whether a file says something that only a taxonomy says, or only what it is called.

    What is wrong with any other file, such as one that `extends` names by mistake or by malice, is told without a
    word of what it holds.
    """
    if not isinstance(root, Mapping):
        return False
    keys = [key.text for key, _ in root.entries]
    own = [key for key in _TAXONOMY if key not in _OF_ANY_FILE]
    return _OF_ANY_FILE.issuperset(keys) or any(closest(key, own) for key in keys[:_LOOKED_AT])


def _draft(given: dict[str, Any], place: Place) -> Draft:
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
        place=place,
    )


def _check_alone(given: dict[str, Any], draft: Draft, problems: Problems) -> None:
    if "categories" not in given:
        message = "`categories` is missing: list them, or start from another taxonomy with `extends`"
        problems.add(draft.place, message)
    for dropped in draft.drop:
        problems.add(
            dropped.place,
            f"{quoted(dropped.text)} cannot be dropped: `drop` needs `extends`, a taxonomy to drop it from",
        )


def _check_unique(words: Iterable[Word], what: str, problems: Problems) -> None:
    first: dict[str, Word] = {}
    for found in words:
        before = first.setdefault(found.text, found)
        if before is not found and found.text:
            line = before.place.line
            problems.add(found.place, f"{quoted(found.text)} is already the {what} in line {line}: rename one")


def _id(value: Value, what: str, problems: Problems) -> str:
    if isinstance(value, Scalar) and ID.fullmatch(value.text):
        return value.text
    if not isinstance(value, Scalar) or value.kind == "null":
        problems.add(value.place, fields.mismatch(value, what, "an id, such as S1"))
        return ""
    problems.add(
        value.place,
        f"{quoted(value.text)} is no category id: write a capital letter and a number from 1 to 999; "
        "ids reach the model unchanged, and Llama Guard writes S1, O3",
    )
    return ""


def _dropped(value: Value, what: str, problems: Problems) -> str:
    if isinstance(value, Scalar) and value.kind != "null" and not ID.fullmatch(value.text):
        problems.add(value.place, f"{quoted(value.text)} is no category id: `drop` takes ids, such as S13")
        return ""
    return _id(value, what, problems)


def _example(value: Value, what: str, problems: Problems) -> Example | None:
    given = fields.mapping(value, what, problems, known=_EXAMPLE, required=["user", "verdict"])
    if given is None:
        return None
    return Example(given.get("user", ""), given.get("assistant"), given.get("verdict", ""))


def _category(value: Value, what: str, problems: Problems) -> DraftCategory:
    given = fields.mapping(value, what, problems, known=_CATEGORY, required=["id"]) or {}
    return DraftCategory(given.pop("id", Word("", value.place)), given, value.place)


def _test(value: Value, what: str, problems: Problems) -> DraftTest | None:
    given = fields.mapping(value, what, problems, known=_TEST, required=["name", "expect"])
    if given is None:
        return None
    if "prompt" not in given and "response" not in given:
        problems.add(value.place, "the test says nothing: add `prompt`, `response` or both")
    if given.get("expect") == "safe" and given.get("categories"):
        message = "a test that expects safe has no categories: remove them, or expect unsafe"
        problems.add(given["categories"][0].place, message)
    absent = {"prompt": None, "response": None, "categories": (), "todo": False}
    named = {"name": Word("", value.place), "expect": ""}
    return DraftTest(**{**absent, **named, **given}, place=value.place)


# What people and models read is what people see: nothing hidden, nothing that poses as something else.
_plain = (visible, one_script, no_marker)
_line = text(printable, one_line, *_plain)
_read_by_model = text(printable, *_plain)
_bullets = items(_line)
_said = text(encodable)  # conversations may hold anything, markers too: that is what is judged

_EXAMPLE = {
    "user": _read_by_model,
    "assistant": _read_by_model,
    "verdict": choice("safe", "unsafe"),
}

_CATEGORY = {
    "id": word(_id),
    "name": text(printable, one_line, *_plain, no_period),
    "key": word(text(printable, visible, word_of_one_script, no_marker, one_word, no_verdict)),
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
