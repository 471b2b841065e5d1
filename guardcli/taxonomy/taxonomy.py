"""The Taxonomy: one immutable value for all that a YAML file and its parents say, and how to get one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from guardcli.errors import GuardError
from guardcli.taxonomy import digests, files
from guardcli.taxonomy.draft import Draft
from guardcli.taxonomy.inheritance import ExtendsChain, resolve, resolve_tests
from guardcli.taxonomy.parser import parse_dict, parse_draft
from guardcli.taxonomy.problems import Problems
from guardcli.taxonomy.types import Category, Detail, Location, PolicyTest


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """`threshold` is None where the file leaves it open; `detail` says what of a category the model reads.

    `description` and `extends` are as the file has them, and `files` are all that were read: its own first.
    """

    name: str
    categories: tuple[Category, ...]
    detail: Detail
    threshold: float | None
    tests: tuple[PolicyTest, ...]
    location: Location = field(compare=False)
    description: str | None = field(default=None, compare=False)
    extends: str | None = field(default=None, compare=False)
    files: tuple[str, ...] = field(default=(), compare=False)
    prompt_digest: str = field(init=False, repr=False, compare=False)
    decision_digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every verdict row carries both digests, so they are made once; a frozen value can be set only so.
        object.__setattr__(self, "prompt_digest", digests.prompt_digest(self.detail, self.categories))
        object.__setattr__(self, "decision_digest", digests.decision_digest(self.threshold, self.categories))

    @property
    def labels(self) -> dict[str, str]:
        """What the output calls each category, by id: its key, or else its id."""
        return {category.id: category.label for category in self.categories}

    @property
    def bundled_parents(self) -> frozenset[str]:
        """The names of the bundled taxonomies that it is, or extends."""
        return frozenset(filter(None, map(files.bundled_name, self.files)))

    def single_category(self, id_: str) -> Taxonomy:
        """The same taxonomy with one category, for asking about that one alone."""
        return replace(self, categories=tuple(category for category in self.categories if category.id == id_))

    @classmethod
    def load(cls, name_or_path: str | Path, *, extends_root: Path | None = None) -> Taxonomy:
        """A bundled taxonomy by its name, or a file.

        Args:
            extends_root: A folder below which `extends` may lead, besides that of the file itself.

        Raises:
            TaxonomyError: with all that is wrong with the file.
            GuardError: there is no such taxonomy.
        """
        path = name_or_path if isinstance(name_or_path, Path) else files.find_file(name_or_path)
        if path is None:
            raise GuardError(files.unknown_name_message(str(name_or_path)), code="taxonomy/not-found")
        return cls.from_yaml(files.read_text(path), str(path), extends_root=extends_root)

    @classmethod
    def from_yaml(cls, text: str, path: str = "<string>", *, extends_root: Path | None = None) -> Taxonomy:
        """The taxonomy that YAML text holds.

        >>> Taxonomy.from_yaml("name: mine\\nextends: llama-guard-3\\ndrop: [S1]").categories[0].id
        'S2'

        Args:
            path: what messages call the text; `extends` is relative to it.
            extends_root: a folder below which `extends` may lead, besides that of `path`.

        Raises:
            TaxonomyError: with all that is wrong with the text.
        """
        problems = Problems()
        return cls._resolve(parse_draft(text, path, problems), path, extends_root, problems)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], path: str = "<dict>", *, extends_root: Path | None = None) -> Taxonomy:
        """The taxonomy of a dict with the keys of a file. Messages name a place by its keys.

        >>> Taxonomy.from_dict({"name": "mine", "categories": [{"id": "S1", "name": "Spoilers", "threshold": 2}]})
        Traceback (most recent call last):
            ...
        guardcli.errors.TaxonomyError: <dict>: categories[0].threshold: `threshold` is `2`: write a number from 0 to 1,…

        The arguments and exceptions are those of `from_yaml`.
        """
        problems = Problems()
        return cls._resolve(parse_dict(value, path, problems), path, extends_root, problems)

    @classmethod
    def _resolve(cls, draft: Draft, path: str, extends_root: Path | None, problems: Problems) -> Taxonomy:
        policy = resolve(draft, ExtendsChain((path,), extends_root), problems)
        tests = tuple(resolve_tests(draft, policy, problems))
        problems.raise_if_any()
        return cls(
            name=draft.name,
            categories=tuple(policy.categories.values()),
            detail=policy.detail,
            threshold=policy.threshold,
            tests=tests,
            location=draft.location,
            description=draft.description,
            extends=draft.extends.text if draft.extends else None,
            files=problems.files,
        )

    def parent(self, *, extends_root: Path | None = None) -> Taxonomy | None:
        """The taxonomy that this one extends. Raises TaxonomyError if that changed since."""
        path = files.find_file(self.extends, Path(self.location.path).parent) if self.extends else None
        return None if path is None else Taxonomy.load(path, extends_root=extends_root)
