"""Records → examples, with a tally of what became of each: none is dropped without being counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from guardcli.augment.examples import Example, examples
from guardcli.augment.labelled import Labelled, Mapping, Unusable
from guardcli.augment.overlap import Known, Overlap
from guardcli.augment.variants import Variation
from guardcli.conversation import Key, Malformed, Record, Role
from guardcli.prompt import Template
from guardcli.taxonomy import Taxonomy
from guardcli.turns import Target


@dataclass(frozen=True, slots=True)
class Plan:
    """How records become examples: the prompt, the policy, what is judged, how often it is varied, and the seed."""

    template: Template
    taxonomy: Taxonomy
    mapping: Mapping = field(default_factory=Mapping)
    variation: Variation = field(default_factory=Variation)
    copies: int = 1
    seed: int = 0
    target: Target = "last"
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


def prepare(records: Iterable[Record | Malformed], plan: Plan, known: Known, tally: Tally) -> Iterator[Example]:
    """The examples of all records in order; what is `known` from evaluation is left out."""
    for record in records:
        tally.records += 1
        try:
            labelled = Labelled.of(
                record, plan.taxonomy, plan.mapping, target=plan.target, as_user=plan.as_user
            )  # fmt: skip
        except Unusable as reason:
            tally.left_out[str(reason)] += 1
            continue
        overlap = known.find(turn.text for turn in labelled.shown)
        if overlap is not None:
            tally.overlaps.append((labelled.key, overlap))
            continue
        made = examples(
            labelled, plan.template, plan.taxonomy, plan.variation, copies=plan.copies, seed=plan.seed
        )  # fmt: skip
        for example in made:
            tally.examples[example.label, example.kind] += 1
            tally.categories.update(labelled.violated if example.categories else ())
            yield example
