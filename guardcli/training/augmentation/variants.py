"""One record's policy in other words: categories dropped, shuffled and renumbered, and what the record then violates.

All is a function of what goes in and of the random numbers that are handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from guardcli.taxonomy import Category, Taxonomy

Kind = Literal["plain", "augmented", "made safe"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A policy for one example and what is violated of it, by its own ids and in its order; `order` are the ids that
    the user's policy has for its categories."""

    taxonomy: Taxonomy
    violated: tuple[str, ...]
    order: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Variation:
    """How policies are varied. `made_safe` in [0, 1] is how often an unsafe record loses all that it violates."""

    made_safe: float = 0.25
    renumber: bool = False

    def plain(self, taxonomy: Taxonomy, violated: Sequence[str]) -> Variant:
        """The policy as it is."""
        return _variant(taxonomy, taxonomy.categories, violated, "plain", renumber=False)

    def vary(self, taxonomy: Taxonomy, violated: Sequence[str], random: Random, *, complete: bool = True) -> Variant:
        """Another policy. With all that it violates gone a record is safe only if its ids are `complete`."""
        categories = taxonomy.categories
        may = complete and 0 < len(violated) < len(categories)
        kind: Kind = "augmented"
        if random.random() < self.made_safe and may:  # drawn in any case: what follows must not depend on `may`
            categories, violated, kind = without_violated(categories, violated), (), "made safe"
        categories = shuffled(without_some(categories, violated, random), random)
        return _variant(taxonomy, categories, violated, kind, renumber=self.renumber)


def without_violated(categories: Sequence[Category], violated: Collection[str]) -> tuple[Category, ...]:
    """What is left without the violated ones."""
    return tuple(category for category in categories if category.id not in violated)


def without_some(categories: Sequence[Category], violated: Collection[str], random: Random) -> tuple[Category, ...]:
    """A random number of those that are not violated is dropped, each number as likely; one category always stays."""
    free = [category.id for category in categories if category.id not in violated]
    most = len(free) if violated else len(free) - 1
    dropped = set(random.sample(free, random.randint(0, most)))
    return tuple(category for category in categories if category.id not in dropped)


def shuffled(categories: Sequence[Category], random: Random) -> tuple[Category, ...]:
    """The same in a random order."""
    return tuple(random.sample(list(categories), len(categories)))


def renumbered(categories: Sequence[Category]) -> tuple[Category, ...]:
    """The same with ids that count from 1, behind the letter that the first one has."""
    letter = categories[0].id[0]
    return tuple(replace(category, id=f"{letter}{number}") for number, category in enumerate(categories, start=1))


def _variant(
    taxonomy: Taxonomy, categories: Sequence[Category], violated: Collection[str], kind: Kind, *, renumber: bool
) -> Variant:
    named = renumbered(categories) if renumber else tuple(categories)
    answer = tuple(new.id for old, new in zip(categories, named, strict=True) if old.id in violated)
    order = tuple(category.id for category in categories)
    return Variant(replace(taxonomy, categories=named), answer, order, kind)
