"""Records → examples, with a tally of what became of each: none is dropped without being counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from guardcli.conversation import Key, Malformed, Record, Role
from guardcli.evaluation.datasets import Crosswalk, Where, read
from guardcli.evaluation.datasets.schemas import About
from guardcli.prompts import Template
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation.contamination import Known, Overlap
from guardcli.training.augmentation.example import TrainingExample, examples
from guardcli.training.augmentation.labeled import Labelled, Unusable
from guardcli.training.augmentation.variants import Variation


@dataclass(frozen=True, slots=True)
class Plan:
    """How records become examples: the prompt, the policy, where labels stand, whose message they are about (None: as
    `labels` finds it), how often the policy is varied, and the seed."""

    template: Template
    taxonomy: Taxonomy
    crosswalk: Crosswalk = field(default_factory=Crosswalk)
    where: Where = field(default_factory=Where)
    variation: Variation = field(default_factory=Variation)
    copies: int = 1
    seed: int = 0
    about: About | None = None
    as_user: frozenset[Role] = frozenset()


@dataclass(slots=True)
class Tally:
    """Records read, examples by label and kind, by how many examples a category of the user's policy is violated,
    records left out by reason, and those that an evaluation set holds too."""

    records: int = 0
    examples: Counter[tuple[str, str]] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    overlaps: list[tuple[Key, Overlap]] = field(default_factory=list)


def prepare(records: Iterable[Record | Malformed], plan: Plan, known: Known, tally: Tally) -> Iterator[TrainingExample]:
    """The examples of all records in order; what is `known` from evaluation is left out.

    Raises:
        InputError: a label is no such word.
    """
    found = read(records, plan.where, about=plan.about)
    tally.left_out.update(found.left_out)
    tally.left_out.update(f"it cannot be read: {record.reason}" for record in found.unreadable)
    tally.records += len(found.items) + len(found.unreadable) + found.left_out.total()
    for item in found.items:
        try:
            labelled = Labelled.of(item, plan.taxonomy, plan.crosswalk, about=plan.about, as_user=plan.as_user)
        except Unusable as reason:
            tally.left_out[str(reason)] += 1
            continue
        overlap = known.find(labelled.shown)
        if overlap is not None:
            tally.overlaps.append((labelled.key, overlap))
            continue
        yield from _examples(labelled, plan, tally)


def _examples(labelled: Labelled, plan: Plan, tally: Tally) -> Iterator[TrainingExample]:
    varied = plan.variation
    for example in examples(labelled, plan.template, plan.taxonomy, varied, copies=plan.copies, seed=plan.seed):
        tally.examples[example.label, example.kind] += 1
        tally.categories.update(labelled.violated if example.categories else ())
        yield example
