"""Resolve a draft: merge it with the files that it extends, and find the categories that its tests name.

child.yaml      extends: parent.yaml, drop: [S2], categories: [S3]
parent.yaml     extends: llama-guard-3, categories: [S1 with another name]
llama-guard-3   categories: S1 … S14
the policy      S1 with the other name, S3 as in child.yaml, S4 … S14
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from guardcli.errors import TaxonomyError, setting
from guardcli.taxonomy import files
from guardcli.taxonomy.draft import Draft, DraftCategory, DraftTest
from guardcli.taxonomy.field_types import LocatedText
from guardcli.taxonomy.parser import parse_draft
from guardcli.taxonomy.problems import Problems, list_known, suggestion
from guardcli.taxonomy.rules import ID
from guardcli.taxonomy.types import Category, Detail, Label, PolicyTest, PolicyTestMessage
from guardcli.text.lookalikes import skeleton
from guardcli.text.quoting import quote

_MAX_FILES = 16


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """A file merged with its parents.

    If it is not `complete`, some categories could not be read, and a name that is missing here may be one of theirs.
    """

    detail: Detail
    threshold: float | None
    categories: dict[str, Category]
    complete: bool


_EMPTY = ResolvedPolicy("names", None, {}, complete=True)
_UNREADABLE = replace(_EMPTY, complete=False)


@dataclass(frozen=True, slots=True)
class ExtendsChain:
    """The files from the policy up to the parent that is being read, and which files that one may extend.

    A file may extend those in its own folder and below, and those below `extends_root`. The folder that counts is that
    of each file itself, so that a file is as valid on its own as it is as a parent.
    """

    files: tuple[str, ...]
    extends_root: Path | None = None

    @property
    def current(self) -> str:
        return self.files[-1]

    def followed_by(self, path: str) -> ExtendsChain:
        return replace(self, files=(*self.files, path))

    def allows(self, path: Path) -> bool:
        """Whether the current file may extend the one at `path`. A stranger's policy must not read any file."""
        folders = [] if self.extends_root is None else [self.extends_root]
        if not files.is_descriptor(self.current):  # a pipe has no folder
            folders += [Path(self.current).parent, Path(os.path.realpath(self.current)).parent]
        return files.is_within(path, folders)


def resolve(draft: Draft, chain: ExtendsChain, problems: Problems) -> ResolvedPolicy:
    """Merge a draft with its parents, which are read here."""
    parent = _resolve_parent(draft.extends, chain, problems) if draft.extends is not None else _EMPTY
    _check_drop(draft, parent, problems)
    categories = {**parent.categories, **_merged_categories(draft, parent, problems)}
    dropped = {id.text for id in draft.drop} - {own.id.text for own in draft.categories}
    kept = {id: category for id, category in categories.items() if id not in dropped}
    policy = ResolvedPolicy(
        detail=draft.detail or parent.detail,
        threshold=parent.threshold if draft.threshold is None else draft.threshold,
        categories=kept,
        complete=draft.complete and parent.complete,
    )
    if not kept and policy.complete and draft.drop and parent.categories:
        problems.add(
            draft.drop[0].location,
            "nothing is left after `drop`: keep or add at least one category",
            code="taxonomy/contradiction",
        )
    _check_keys(draft, policy, problems)
    return policy


def resolve_tests(draft: Draft, policy: ResolvedPolicy, problems: Problems) -> Iterator[PolicyTest]:
    """The tests of a draft: one for each message of which a verdict is expected, with what is said before it.

    The categories that they name by id or by key are ids.
    """
    ids = {category.label: id for id, category in policy.categories.items()}
    ids.update({id: id for id in policy.categories})
    known = list_known(dict.fromkeys(category.label for category in policy.categories.values()))
    for test in draft.tests:
        for number, message in enumerate(test.messages, start=1):
            named = [_category_id(word, ids, known, policy, problems) for word in message.categories]
            if message.expect is not None:
                yield _policy_test(test, number, message.expect, tuple(dict.fromkeys(named)))


def _resolve_parent(extends: LocatedText, chain: ExtendsChain, problems: Problems) -> ResolvedPolicy:
    if not extends:  # already reported
        return _UNREADABLE
    path = files.find_file(extends.text, Path(chain.current).parent)
    if path is not None and extends.text not in files.bundled_taxonomies() and not chain.allows(path):
        problems.add(extends.location, _outside_message(extends.text), "taxonomy/extends-outside")
        return _UNREADABLE
    if path is None:
        problems.add(extends.location, files.unknown_name_message(extends.text), "taxonomy/not-found")
        return _UNREADABLE
    if not os.path.exists(path):
        problems.add(extends.location, _missing_message(extends.text), "taxonomy/not-found")
        return _UNREADABLE
    if message := _chain_message(str(path), chain):
        problems.add(extends.location, message, "taxonomy/extends-loop")
        return _UNREADABLE
    try:
        text = files.read_text(path, descriptors=False)
    except TaxonomyError as error:  # the line to correct is the one that names the file
        first = error.problems[0]
        problems.add(extends.location, f"{quote(extends.text)} {first.message}", first.code)
        return _UNREADABLE
    return _resolve_text(text, chain.followed_by(str(path)), problems)


def _resolve_text(text: str, chain: ExtendsChain, problems: Problems) -> ResolvedPolicy:
    try:
        draft = parse_draft(text, chain.current, problems)
    except TaxonomyError as error:
        problems.include(error)
        return _UNREADABLE
    return resolve(draft, chain, problems)


def _outside_message(name: str) -> str:
    return (
        f"{quote(name)} is outside this file's folder: move it into the folder or one below, "
        f"or allow the folder that it is in with {setting('Taxonomy.load.extends_root')}"
    )


def _missing_message(name: str) -> str:
    near = suggestion(Path(name).stem, files.bundled_taxonomies())
    return f"there is no file {quote(name)}: {near or 'a path is relative to the folder of this file'}"


def _chain_message(path: str, chain: ExtendsChain) -> str | None:
    if os.path.realpath(path) in map(os.path.realpath, chain.files):
        return f"`extends` forms a loop: {' → '.join((*chain.files, path))}; start from another taxonomy"
    if len(chain.files) >= _MAX_FILES:
        return f"`extends` goes through more than {_MAX_FILES} files: start from an earlier one"
    return None


def _merged_categories(draft: Draft, parent: ResolvedPolicy, problems: Problems) -> dict[str, Category]:
    merged: dict[str, Category] = {}
    for own in draft.categories:
        category = _merged_category(own, parent, problems)
        merged.setdefault(own.id.text, category)  # a repeated id is already reported
    return merged


def _merged_category(own: DraftCategory, parent: ResolvedPolicy, problems: Problems) -> Category:
    fields = dict(own.fields)
    if "key" in fields:
        fields["key"] = fields["key"].text
    inherited = parent.categories.get(own.id.text)
    if inherited is not None:
        return replace(inherited, **fields, location=own.location, own_fields=frozenset(fields))
    if "name" not in fields and parent.complete:
        problems.add(
            own.location,
            f"`name` is missing: {quote(own.id.text)} is new here, so add `name: …`",
            code="taxonomy/missing-key",
        )
    values = {"id": own.id.text, "name": "", **fields}
    return Category(**values, location=own.location, own_fields=frozenset(fields))


def _check_drop(draft: Draft, parent: ResolvedPolicy, problems: Problems) -> None:
    if draft.extends is None:  # already reported
        return
    own = {category.id.text for category in draft.categories}
    has = list_known(parent.categories)
    for word in draft.drop:
        if word.text in own:
            problems.add(
                word.location,
                f"{quote(word.text)} is both dropped and defined here: do one of the two",
                code="taxonomy/contradiction",
            )
        elif parent.complete and parent.categories and word.text not in parent.categories:
            problems.add(
                word.location,
                f"{quote(word.text)} cannot be dropped: {quote(draft.extends.text)} has only {has}",
                code="taxonomy/unknown-category",
            )


def _check_keys(draft: Draft, policy: ResolvedPolicy, problems: Problems) -> None:
    """Report keys that are the same, or look the same. The one to change is in this file, and the later one in it."""
    own_keys = {own.id.text: own.fields["key"] for own in draft.categories if "key" in own.fields}
    taken = {skeleton(c.key): id for id, c in policy.categories.items() if c.key and id not in own_keys}
    for id, key in own_keys.items():
        owner = taken.setdefault(skeleton(key.text), id)
        if owner != id and key:
            problems.add(
                key.location,
                f"the key {quote(key.text)} is already that of {owner}: choose another",
                code="taxonomy/duplicate-id",
            )


def _category_id(word: LocatedText, ids: dict[str, str], known: str, policy: ResolvedPolicy, problems: Problems) -> str:
    if word.text not in ids and policy.complete and policy.categories:
        near = "" if ID.fullmatch(word.text) else problems.suggestion(word.text, ids)  # another number is no near miss
        problems.add(
            word.location,
            f"there is no category {quote(word.text)}: {near or f'known are {known}'}",
            code="taxonomy/unknown-category",
        )
    return ids.get(word.text, word.text)


def _policy_test(test: DraftTest, number: int, expect: Label, categories: tuple[str, ...]) -> PolicyTest:
    """The test of one message. Those before the last one have the number of the message in their name."""
    is_last = number == len(test.messages)
    return PolicyTest(
        name=test.name.text if is_last else f"{test.name.text}, message {number}",
        messages=tuple(PolicyTestMessage(message.role, message.content) for message in test.messages[:number]),
        expect=expect,
        categories=categories,
        todo=test.todo,
        location=test.messages[number - 1].location,
    )
