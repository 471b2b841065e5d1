"""Variants of a policy: categories dropped, shuffled and renumbered, and what the records of a group then violate.

All functions are pure, given their random number generator. For a record that violates S2::

    policy          S1 S2 S3 S4    answer: unsafe S2
    augmented       S4 S2          answer: unsafe S2       some that it does not violate dropped, the rest shuffled
      renumbered    S1 S2          answer: unsafe S2       (S1 was S4)
    made safe       S3 S1          answer: safe            all that it violates dropped first

Several records may share a variant. Here a violates S1 and S2, b violates S2, and c nothing::

    policy          S1 S2 S3 S4    a: unsafe S1,S2    b: unsafe S2    c: safe
    S2 dropped      S4 S1          a: unsafe S1       b: safe         c: safe      b is made safe

A variant may also call its categories by other names, and may describe them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from guardcli.taxonomy import Category, Taxonomy, Wording, number_from_one
from guardcli.training.augmentation.labeled_conversation import LabeledConversation

DEFAULT_NEGATIVES = 3  # beside one that is violated: a quarter of the questions about an unsafe record are unsafe

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

    `made_safe` is the probability, in [0, 1], that a violated category is dropped. `renumber` gives the categories of a
    variant new ids, counted from 1.

    Where a prompt asks about one category, a record is asked about each that it violates, and about `negatives` others.

    `wordings` are other wordings of categories, by id: in a variant, each category has one of them or its own, all
    equally likely. `describe` is the probability that a variant has the `detail` full, and else names; None keeps the
    detail of the policy.
    """

    made_safe: float = 0.25
    renumber: bool = False
    wordings: Mapping[str, tuple[Wording, ...]] = field(default_factory=dict)
    describe: float | None = None
    negatives: int = DEFAULT_NEGATIVES


def unaugmented(taxonomy: Taxonomy, violated: Sequence[str]) -> PolicyVariant:
    """The policy as it is."""
    return _variant(taxonomy, taxonomy.categories, violated, "plain", renumber=False)


def augment(
    taxonomy: Taxonomy, group: Sequence[LabeledConversation], config: AugmentConfig, random: Random
) -> list[PolicyVariant]:
    """One random variant of the policy for a group of conversations, and what each of them violates under it.

    What a conversation violates is dropped only by `made_safe`, and never if it is not `complete`: without it, the
    conversation may be unsafe in a way that the policy has no id for.
    """
    dropped = _draw_violated(taxonomy.categories, group, config.made_safe, random)
    violated = {id_ for conversation in group for id_ in conversation.violated} - dropped
    categories = shuffle(drop_random(drop_violated(taxonomy.categories, dropped), violated, random), random)
    if config.wordings:
        categories = reword(categories, config.wordings, random)
    taxonomy = _draw_detail(taxonomy, config, random)
    variants = []
    for conversation in group:
        remaining = [id_ for id_ in conversation.violated if id_ not in dropped]
        kind: AugmentationKind = "made safe" if conversation.violated and not remaining else "augmented"
        variants.append(_variant(taxonomy, categories, remaining, kind, renumber=config.renumber))
    return variants


def questions(
    taxonomy: Taxonomy,
    conversation: LabeledConversation,
    config: AugmentConfig,
    random: Random,
    *,
    vary: bool = False,
) -> list[PolicyVariant]:
    """Policies of one category each: those that a conversation violates, and some others at random.

    There are `config.negatives` others; a conversation that is not `complete` is asked about what it violates alone.
    `vary` gives each category one of its wordings, or its own, and draws whether it is described.
    """
    others = [category for category in taxonomy.categories if category.id not in conversation.violated]
    num_others = min(config.negatives, len(others)) if conversation.complete else 0
    drawn = {category.id for category in random.sample(others, num_others)}
    asked: list[PolicyVariant] = []
    for category in taxonomy.categories:
        violated = category.id in conversation.violated
        if not (violated or category.id in drawn):
            continue
        policy = taxonomy.single_category(category.id)
        if vary:
            policy = replace(policy, categories=reword([category], config.wordings, random))
            policy = _draw_detail(policy, config, random)
        ids = [category.id] if violated else []
        asked.append(_variant(policy, policy.categories, ids, "augmented" if vary else "plain", renumber=False))
    return asked


def _draw_violated(
    categories: Sequence[Category], group: Sequence[LabeledConversation], probability: float, random: Random
) -> set[str]:
    """Draw ids to drop among those that a group violates; at least one category stays.

    Categories that the same conversations violate are dropped together: of a single conversation all or none.
    """
    violated_together: dict[tuple[int, ...], list[str]] = {}
    draws: dict[tuple[int, ...], float] = {}
    for category in categories:
        violators = tuple(at for at, conversation in enumerate(group) if category.id in conversation.violated)
        violated_together.setdefault(violators, []).append(category.id)
        # Draw for each category, so that the numbers drawn afterwards do not depend on what is violated.
        draws.setdefault(violators, random.random())
    dropped: set[str] = set()
    for violators, ids in violated_together.items():
        complete = all(group[at].complete for at in violators)
        some_stay = len(dropped) + len(ids) < len(categories)
        if violators and complete and some_stay and draws[violators] < probability:
            dropped.update(ids)
    return dropped


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


def reword(
    categories: Sequence[Category], wordings: Mapping[str, tuple[Wording, ...]], random: Random
) -> tuple[Category, ...]:
    """Give each category one of its wordings, or leave its own. A wording without a description leaves it without."""
    reworded = []
    for category in categories:
        wording = random.choice([None, *wordings.get(category.id, ())])
        reworded.append(
            category if wording is None else replace(category, name=wording.name, description=wording.description)
        )
    return tuple(reworded)


def _draw_detail(taxonomy: Taxonomy, config: AugmentConfig, random: Random) -> Taxonomy:
    """The taxonomy with descriptions or without, by `config.describe`."""
    if config.describe is None:
        return taxonomy
    return replace(taxonomy, detail="full" if random.random() < config.describe else "names")


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
