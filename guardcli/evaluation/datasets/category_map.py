"""Translate the category names of a data set to the categories of a policy, by a map or by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guardcli.errors import InputError, setting
from guardcli.evaluation.datasets.schemas import OPENAI_CATEGORIES
from guardcli.formats import describe_json_error
from guardcli.taxonomy import Taxonomy

# A map may use the abbreviations of OpenAI's own set.
_ABBREVIATIONS = {name: abbreviation for abbreviation, name in OPENAI_CATEGORIES.items()}


@dataclass(frozen=True, slots=True)
class CategoryIndex:
    """The categories of one policy: their labels, as verdict rows have them, in order; and the label by every name."""

    labels: tuple[str, ...]
    label_by_name: Mapping[str, str] = field(repr=False)  # case-folded names

    @classmethod
    def from_taxonomy(cls, taxonomy: Taxonomy) -> CategoryIndex:
        """Index categories by id, else by key, else by name. A name that two categories have is left out."""
        categories = taxonomy.categories
        label_by_name: dict[str, str] = {}
        for column in ([c.id for c in categories], [c.key for c in categories], [c.name for c in categories]):
            names = [None if name is None else name.casefold() for name in column]
            for name, category in zip(names, categories, strict=True):
                if name is not None and names.count(name) == 1:
                    label_by_name.setdefault(name, category.label)
        return cls(tuple(category.label for category in categories), label_by_name)

    @classmethod
    def from_labels(cls, labels: Iterable[str]) -> CategoryIndex:
        """Index the categories of an unknown policy by the labels that its rows have."""
        labels = tuple(labels)
        return cls(labels, {label.casefold(): label for label in labels})

    def find(self, name: str) -> str | None:
        """The label of the category that has a name."""
        return self.label_by_name.get(name.casefold())


@dataclass(frozen=True, slots=True)
class CategoryMap:
    """The user's map of categories: native name → category of the policy, or None where none fits.

    `entries` are by data set, and under "" for every data set. `policy` names the one taxonomy that the map was made
    for. Ids mean something else in another taxonomy: without `policy`, a map that sends a name elsewhere than to the
    policy's own category of that name is an error.
    """

    entries: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    policy: str | None = None
    path: str = ""

    @classmethod
    def load(cls, path: Path, policy: str | None = None) -> CategoryMap:
        """Read a JSON object {native: category or null}, or {data set: such an object}.

        Raises:
            InputError: the file cannot be read, or has another form.
        """
        try:
            value: Any = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}", code="input/unreadable") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON: {describe_json_error(error)}", code="eval/invalid-map") from error
        entries = value if isinstance(value, dict) and any(isinstance(v, dict) for v in value.values()) else {"": value}
        for dataset, categories in entries.items():
            if not isinstance(categories, dict) or not all(
                c is None or isinstance(c, str) for c in categories.values()
            ):
                what = f"{dataset!r} in it" if dataset else "it"
                raise InputError(
                    f'{path}: {what} is not a category map; expected {{"native name": "category id" or null, …}}',
                    code="eval/invalid-map",
                )
        return cls(entries, policy, str(path))

    def dataset_key(self, names: Sequence[str]) -> str:
        """The first of a data set's names that the map has; the last name if it has none of them."""
        return next((name for name in names if name in self.entries), names[-1])

    def label(self, native: str, dataset: str, categories: CategoryIndex) -> str | None:
        """The policy's label for a native category of a data set; None if it has no such category.

        Raises:
            InputError: the map contradicts the policy's own names.
        """
        by_name = categories.find(native)
        for entries in (self.entries.get(dataset), self.entries.get("")):
            for name in (native, _ABBREVIATIONS.get(native, native)):
                if entries is not None and name in entries:
                    target = entries[name]
                    label = None if target is None else categories.find(target)
                    if by_name is not None and label != by_name and self.policy is None:
                        raise InputError(
                            f"{self.path} maps {native!r} to {target}, and the policy has a category of the same name "
                            f"({by_name}): name the policy of the map with {setting('CategoryMap.load.policy')}",
                            code="eval/invalid-map",
                        )
                    return label
        return by_name
