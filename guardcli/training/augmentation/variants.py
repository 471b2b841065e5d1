"""Variants of a policy for one record: categories dropped, shuffled and renumbered, and what the record then violates.

All functions are pure, given their random number generator. For a record that violates S2::

    policy          S1 S2 S3 S4    answer: unsafe S2
    augmented       S4 S2          answer: unsafe S2       some that it does not violate dropped, the rest shuffled
      renumbered    S1 S2          answer: unsafe S2       (S1 was S4)
    made safe       S3 S1          answer: safe            all that it violates dropped first
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from guardcli.taxonomy import Category, Taxonomy

AugmentationKind = Literal["plain", "augmented", "made safe"]


@dataclass(frozen=True, slots=True)
class PolicyVariant:
    """A policy for one example, and which of its categories the example violates.

    `violated` are ids of the variant, in its order. `original_ids` are the ids that the variant's categories have in
    the user's policy; they differ if the variant is renumbered.
    """

    taxonomy: Taxonomy
    violated: tuple[str, ...]
    original_ids: tuple[str, ...]
    kind: AugmentationKind


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How policies are varied.

    `made_safe` is the probability, in [0, 1], that an unsafe record loses all categories that it violates. `renumber`
    gives the categories of a variant new ids, counted from 1.
    """

    made_safe: float = 0.25
    renumber: bool = False


def unaugmented(taxonomy: Taxonomy, violated: Sequence[str]) -> PolicyVariant:
    """The policy as it is."""
    return _variant(taxonomy, taxonomy.categories, violated, "plain", renumber=False)


def augment(
    taxonomy: Taxonomy,
    violated: Sequence[str],
    config: AugmentConfig,
    random: Random,
    *,
    complete: bool = True,
) -> PolicyVariant:
    """A random variant of the policy, for a record that violates the ids in `violated`.

    `complete` says that the record violates nothing else. If it is False, the record is never made safe: it may be
    unsafe in a way that the policy has no id for.
    """
    categories = taxonomy.categories
    can_be_made_safe = complete and 0 < len(violated) < len(categories)
    kind: AugmentationKind = "augmented"
    # Draw in any case, so that the numbers drawn afterwards do not depend on `can_be_made_safe`.
    if random.random() < config.made_safe and can_be_made_safe:
        categories, violated, kind = drop_violated(categories, violated), (), "made safe"
    categories = shuffle(drop_random(categories, violated, random), random)
    return _variant(taxonomy, categories, violated, kind, renumber=config.renumber)


def drop_violated(categories: Sequence[Category], violated: Collection[str]) -> tuple[Category, ...]:
    """Drop the violated categories."""
    return tuple(category for category in categories if category.id not in violated)


def drop_random(categories: Sequence[Category], violated: Collection[str], random: Random) -> tuple[Category, ...]:
    """Drop a random number of categories that are not violated; each number is equally likely. At least one stays."""
    droppable = [category.id for category in categories if category.id not in violated]
    most = len(droppable) if violated else len(droppable) - 1
    dropped = set(random.sample(droppable, random.randint(0, most)))
    return tuple(category for category in categories if category.id not in dropped)


def shuffle(categories: Sequence[Category], random: Random) -> tuple[Category, ...]:
    """The categories in random order."""
    return tuple(random.sample(list(categories), len(categories)))


def number_from_one(categories: Sequence[Category]) -> tuple[Category, ...]:
    """Give the categories new ids, counted from 1, with the letter of the first one: S4, S2 become S1, S2."""
    letter = categories[0].id[0]
    return tuple(replace(category, id=f"{letter}{number}") for number, category in enumerate(categories, start=1))


def _variant(
    taxonomy: Taxonomy,
    categories: Sequence[Category],
    violated: Collection[str],
    kind: AugmentationKind,
    *,
    renumber: bool,
) -> PolicyVariant:
    named = number_from_one(categories) if renumber else tuple(categories)
    return PolicyVariant(
        taxonomy=replace(taxonomy, categories=named),
        violated=tuple(new.id for old, new in zip(categories, named, strict=True) if old.id in violated),
        original_ids=tuple(category.id for category in categories),
        kind=kind,
    )
