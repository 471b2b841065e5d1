"""Whose category is which: the native names of a data set → the categories of a policy, by map or by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guardcli.errors import InputError
from guardcli.evaluation.datasets.schemas import OPENAI
from guardcli.taxonomy import Taxonomy

_SHORT = {name: short for short, name in OPENAI.items()}  # a map may use the set's own abbreviations


@dataclass(frozen=True, slots=True)
class Categories:
    """The categories of one policy: their labels, as rows call them, in order; and by every name that they go by."""

    labels: tuple[str, ...]
    names: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, taxonomy: Taxonomy) -> Categories:
        """Categories by id, else by key, else by name; a name that two of them have is nobody's."""
        found = taxonomy.categories
        names: dict[str, str] = {}
        for column in ([c.id for c in found], [c.key for c in found], [c.name for c in found]):
            called = [None if name is None else name.casefold() for name in column]
            for name, category in zip(called, found, strict=True):
                if name is not None and called.count(name) == 1:
                    names.setdefault(name, category.label)
        return cls(tuple(category.label for category in found), names)

    @classmethod
    def called(cls, labels: Iterable[str]) -> Categories:
        """Categories of which nothing is known but what rows call them."""
        labels = tuple(labels)
        return cls(labels, {label.casefold(): label for label in labels})

    def find(self, name: str) -> str | None:
        return self.names.get(name.casefold())


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """`codes` are a map's: native name → category (None: none fits), by data set, or under "" for every set.

    `policy` names the one taxonomy that the map was made for. Codes mean other things in another: without it, a map
    that sends a name elsewhere than to the policy's own category of that name is an error.
    """

    codes: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    policy: str | None = None
    path: str = ""

    @classmethod
    def load(cls, path: Path, policy: str | None = None) -> Crosswalk:
        """A JSON object {native: category or null}, or one of such objects by the data set's name.

        Raises:
            InputError: it cannot be read, or is none.
        """
        try:
            value: Any = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON: {error}") from error
        nested = value if isinstance(value, dict) and any(isinstance(v, dict) for v in value.values()) else {"": value}
        for group, codes in nested.items():
            fine = isinstance(codes, dict) and all(code is None or isinstance(code, str) for code in codes.values())
            if not fine:
                what = f"{group!r} in it" if group else "it"
                raise InputError(f'{path}: {what} is no map: write {{"native name": "category id" or null, …}}')
        return cls(nested, policy, str(path))

    def group(self, names: Sequence[str]) -> str:
        """By which of its names a data set stands in the map; the last one if by none."""
        return next((name for name in names if name in self.codes), names[-1])

    def label(self, native: str, group: str, categories: Categories) -> str | None:
        """What a policy calls a native category of a data set; None if it has no such category.

        Raises:
            InputError: the map says something else than the policy's own names.
        """
        own = categories.find(native)
        for codes in (self.codes.get(group), self.codes.get("")):
            for name in (native, _SHORT.get(native, native)):
                if codes is not None and name in codes:
                    code = codes[name]
                    found = None if code is None else categories.find(code)
                    if own is not None and found != own and self.policy is None:
                        raise InputError(
                            f"{self.path} maps {native!r} to {code}, and the policy has a category of that very name "
                            f"({own}): say which policy the map is for, as --map TAXONOMY={self.path}"
                        )
                    return found
        return own
