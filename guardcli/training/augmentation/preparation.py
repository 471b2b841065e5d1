"""Prepares the training examples of a data set, and counts what became of each record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from guardcli.conversation import Key, Malformed, Record, Role
from guardcli.evaluation.datasets import CategoryMap, FieldSpec, LabelTarget, read_dataset
from guardcli.prompts import Template
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation.contamination import ContaminationIndex, Overlap
from guardcli.training.augmentation.example import TrainingExample, make_examples
from guardcli.training.augmentation.labeled_conversation import LabeledConversation, UnusableSample
from guardcli.training.augmentation.variants import AugmentConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareConfig:
    """How records become examples.

    `fields` says where the labels are, `category_map` what the policy calls their categories, and `target` whose
    message they are about (None: as found in the data). Each record gives one example under the policy as it is, and
    `copies` augmented ones.
    """

    template: Template
    taxonomy: Taxonomy
    category_map: CategoryMap = field(default_factory=CategoryMap)
    fields: FieldSpec = field(default_factory=FieldSpec)
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    copies: int = 1
    seed: int = 0
    target: LabelTarget | None = None
    as_user: frozenset[Role] = frozenset()


@dataclass(slots=True)
class PrepareStats:
    """Counts of a preparation.

    The number of records, of examples by label and kind, and of examples that violate each category of the user's
    policy; the records that were skipped, by reason, and those that an evaluation set has too.
    """

    num_records: int = 0
    examples: Counter[tuple[str, str]] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    overlaps: list[tuple[Key, Overlap]] = field(default_factory=list)


def prepare_examples(
    records: Iterable[Record | Malformed], config: PrepareConfig, evaluation: ContaminationIndex, stats: PrepareStats
) -> Iterator[TrainingExample]:
    """Yield the examples of all records in order, and update `stats`.

    Records that overlap with an evaluation set are left out.

    Raises:
        InputError: a label cannot be understood.
    """
    dataset = read_dataset(records, config.fields, label_target=config.target)
    stats.skipped.update(dataset.left_out)
    stats.skipped.update(f"it cannot be read: {record.reason}" for record in dataset.unreadable)
    stats.num_records += len(dataset.samples) + len(dataset.unreadable) + dataset.left_out.total()
    for sample in dataset.samples:
        try:
            conversation = LabeledConversation.from_sample(
                sample, config.taxonomy, config.category_map, target=config.target, as_user=config.as_user
            )
        except UnusableSample as reason:
            stats.skipped[str(reason)] += 1
            continue
        overlap = evaluation.find_overlap(conversation.turns)
        if overlap is not None:
            stats.overlaps.append((conversation.key, overlap))
            continue
        yield from _make_examples(conversation, config, stats)


def _make_examples(
    conversation: LabeledConversation, config: PrepareConfig, stats: PrepareStats
) -> Iterator[TrainingExample]:
    for example in make_examples(
        conversation,
        config.template,
        config.taxonomy,
        config.augmentation,
        copies=config.copies,
        seed=config.seed,
    ):
        stats.examples[example.label, example.kind] += 1
        stats.categories.update(conversation.violated if example.categories else ())
        yield example
