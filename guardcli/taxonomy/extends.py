"""A Draft and its parents → the categories that hold, and the tests that can be run on them.

It follows `extends` from file to file, and checks what one file says of another: what is dropped, overridden,
named by a test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import files, schema
from guardcli.taxonomy.fields import Word
from guardcli.taxonomy.problems import Problems, listed, nearest, quoted
from guardcli.taxonomy.schema import Draft, DraftCategory, DraftTest
from guardcli.taxonomy.values import Category, Detail, PolicyTest
from guardcli.taxonomy.wording import ID
from guardcli.text.lookalikes import skeleton

_MOST_FILES = 16
_BLANK: dict[str, Any] = {
    "key": None,
    "description": None,
    "should_not": (),
    "can": (),
    "should": (),
    "threshold": None,
    "examples": (),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds after a file and its parents.

    If it is not `complete`, some categories could not be read: what is missing here may be one of them.
    """

    detail: Detail
    threshold: float | None
    categories: dict[str, Category]
    complete: bool


_NOTHING = Policy("names", None, {}, complete=True)
_UNKNOWN = replace(_NOTHING, complete=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """The files that led here, the one that is being read last, and a folder below which it may extend files.

    Below the folder that it is in it may, too, wherever it is: a file is as valid by itself as it is as a parent.
    """

    files: tuple[str, ...]
    extends_root: Path | None = None

    @property
    def last(self) -> str:
        return self.files[-1]

    def and_then(self, path: str) -> Opened:
        return replace(self, files=(*self.files, path))

    def allows(self, path: Path) -> bool:
        """Whether the last file may extend the one at `path`: a stranger's policy must not read what is elsewhere."""
        folders = [] if self.extends_root is None else [self.extends_root]
        if not files.is_descriptor(self.last):  # one that came through a pipe has no folder
            folders += [Path(self.last).parent, Path(os.path.realpath(self.last)).parent]
        return files.within(path, folders)


def resolve(draft: Draft, opened: Opened, problems: Problems) -> Policy:
    """The draft laid over its parents."""
    parent = _parent(draft.extends, opened, problems) if draft.extends is not None else _NOTHING
    _check_drop(draft, parent, problems)
    categories = {**parent.categories, **_own(draft, parent, problems)}
    dropped = {word.text for word in draft.drop} - {own.id.text for own in draft.categories}
    kept = {id: category for id, category in categories.items() if id not in dropped}
    policy = Policy(
        detail=draft.detail or parent.detail,
        threshold=parent.threshold if draft.threshold is None else draft.threshold,
        categories=kept,
        complete=draft.complete and parent.complete,
    )
    if not kept and policy.complete and draft.drop and parent.categories:
        problems.add(draft.drop[0].place, "nothing is left after `drop`: keep or add at least one category")
    _check_keys(draft, policy, problems)
    return policy


def policy_tests(draft: Draft, policy: Policy, problems: Problems) -> Iterator[PolicyTest]:
    """The draft's tests, their categories as ids."""
    ids = {category.label: id for id, category in policy.categories.items()}
    ids.update({id: id for id in policy.categories})
    known = listed(dict.fromkeys(category.label for category in policy.categories.values()))
    for test in draft.tests:
        named = [_named(word, ids, known, policy, problems) for word in test.categories]
        yield _policy_test(test, tuple(dict.fromkeys(named)))


def _parent(extends: Word, opened: Opened, problems: Problems) -> Policy:
    if not extends.text:  # a problem already
        return _UNKNOWN
    path = files.find(extends.text, Path(opened.last).parent)
    if path is not None and extends.text not in files.shipped() and not opened.allows(path):
        problems.add(extends.place, _outside(extends.text), "extends-outside")
        return _UNKNOWN
    wrong = files.unknown(extends.text) if path is None else _wrong_parent(extends.text, path, opened)
    if wrong or path is None:
        problems.add(extends.place, str(wrong))
        return _UNKNOWN
    try:
        text = files.read(path, descriptors=False)
    except TaxonomyError as error:  # the line to correct is the one that names the file
        problems.add(extends.place, f"{quoted(extends.text)} {error.problems[0].message}")
        return _UNKNOWN
    return _read(text, opened.and_then(str(path)), problems)


def _read(text: str, opened: Opened, problems: Problems) -> Policy:
    try:
        draft = schema.read(text, opened.last, problems)
    except TaxonomyError as error:
        problems.include(error)
        return _UNKNOWN
    return resolve(draft, opened, problems)


def _outside(name: str) -> str:
    return (
        f"{quoted(name)} is outside of this file's folder: move it into the folder or one below, "
        "or allow the folder that it is in with --extends-root"
    )


def _wrong_parent(name: str, path: Path, opened: Opened) -> str | None:
    if not os.path.exists(path):
        near = nearest(Path(name).stem, files.shipped())
        return f"there is no file {quoted(name)}: {near or 'a path is relative to the folder of this file'}"
    return _wrong_step(str(path), opened)


def _wrong_step(path: str, opened: Opened) -> str | None:
    if os.path.realpath(path) in map(os.path.realpath, opened.files):
        return f"`extends` goes in a circle: {' → '.join((*opened.files, path))}; start from another taxonomy"
    if len(opened.files) >= _MOST_FILES:
        return f"`extends` goes through more than {_MOST_FILES} files: start from an earlier one"
    return None


def _own(draft: Draft, parent: Policy, problems: Problems) -> dict[str, Category]:
    laid: dict[str, Category] = {}
    for own in draft.categories:
        category = _laid_over(own, parent, problems)
        laid.setdefault(own.id.text, category)  # a repeated id is a problem already: the first one counts
    return laid


def _laid_over(own: DraftCategory, parent: Policy, problems: Problems) -> Category:
    given = dict(own.given)
    if "key" in given:
        given["key"] = given["key"].text
    inherited = parent.categories.get(own.id.text)
    if inherited is not None:
        return replace(inherited, **given, place=own.place)
    if "name" not in given and parent.complete:
        problems.add(own.place, f"`name` is missing: {quoted(own.id.text)} is new here, so add `name: …`")
    return Category(**{"id": own.id.text, "name": "", **_BLANK, **given}, place=own.place)


def _check_drop(draft: Draft, parent: Policy, problems: Problems) -> None:
    if draft.extends is None:  # and so a problem already
        return
    own = {category.id.text for category in draft.categories}
    has = listed(parent.categories)
    for word in draft.drop:
        if word.text in own:
            problems.add(word.place, f"{quoted(word.text)} is both dropped and defined here: do one of the two")
        elif parent.complete and parent.categories and word.text not in parent.categories:
            problems.add(
                word.place,
                f"{quoted(word.text)} cannot be dropped: {quoted(draft.extends.text)} has only {has}",
            )


def _check_keys(draft: Draft, policy: Policy, problems: Problems) -> None:
    """Of two categories with one key, or keys that look the same, the problem is the one that this file gave it, or
    gave it last."""
    giving = {own.id.text: own.given["key"] for own in draft.categories if "key" in own.given}
    taken = {skeleton(c.key): id for id, c in policy.categories.items() if c.key and id not in giving}
    for id, key in giving.items():
        owner = taken.setdefault(skeleton(key.text), id)
        if owner != id and key:
            problems.add(key.place, f"the key {quoted(key.text)} is already that of {owner}: choose another")


def _named(word: Word, ids: dict[str, str], known: str, policy: Policy, problems: Problems) -> str:
    if word.text not in ids and policy.complete and policy.categories:
        near = "" if ID.fullmatch(word.text) else problems.nearest(word.text, ids)  # another number is no near miss
        problems.add(word.place, f"there is no category {quoted(word.text)}: {near or f'known are {known}'}")
    return ids.get(word.text, word.text)


def _policy_test(test: DraftTest, categories: tuple[str, ...]) -> PolicyTest:
    return PolicyTest(test.name.text, test.prompt, test.response, test.expect, categories, test.todo, test.place)
