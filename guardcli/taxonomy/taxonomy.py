"""The Taxonomy: one immutable value for all that a YAML file and its parents say, and how to get one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from guardcli.errors import GuardError
from guardcli.taxonomy import digests, files, schema
from guardcli.taxonomy.extends import policy_tests, resolve
from guardcli.taxonomy.problems import Problems
from guardcli.taxonomy.values import Category, Detail, Place, PolicyTest


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """`threshold` is None where the file leaves it open; `detail` says what of a category the model reads."""

    name: str
    categories: tuple[Category, ...]
    detail: Detail
    threshold: float | None
    tests: tuple[PolicyTest, ...]
    place: Place = field(compare=False)
    prompt_digest: str = field(init=False, repr=False, compare=False)
    decision_digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every verdict row carries both digests, so they are made once; a frozen value can be set only so.
        object.__setattr__(self, "prompt_digest", digests.prompt_digest(self.detail, self.categories))
        object.__setattr__(self, "decision_digest", digests.decision_digest(self.threshold, self.categories))

    @classmethod
    def load(cls, name_or_path: str | Path) -> Taxonomy:
        """A shipped taxonomy by its name, or a file. Raises TaxonomyError; GuardError for an unknown name."""
        path = name_or_path if isinstance(name_or_path, Path) else files.find(name_or_path)
        if path is None:
            raise GuardError(files.unknown(str(name_or_path)))
        return cls.parse(files.read(path), str(path))

    @classmethod
    def parse(cls, text: str, path: str = "<string>") -> Taxonomy:
        """The taxonomy that `text` holds; `extends` is relative to `path`. Raises TaxonomyError."""
        problems = Problems()
        draft = schema.read(text, path, problems)
        policy = resolve(draft, (path,), problems)
        tests = tuple(policy_tests(draft, policy, problems))
        problems.raise_any()
        return cls(draft.name, tuple(policy.categories.values()), policy.detail, policy.threshold, tests, draft.place)
