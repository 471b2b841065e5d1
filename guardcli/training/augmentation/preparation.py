"""Prepares the training examples of a data set, and counts what became of each record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from guardcli.conversation import Key, Malformed, Record, Role
from guardcli.evaluation.datasets import CategoryMap, FieldSpec, LabelTarget, read_dataset
from guardcli.prompts import Template
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation.contamination import ContaminationIndex, Overlap
from guardcli.training.augmentation.example import TrainingExample, make_examples
from guardcli.training.augmentation.labeled_conversation import LabeledConversation, UnusableSample
from guardcli.training.augmentation.variants import AugmentConfig

# As many as the paper's optimizer step has examples (2 on each of 8 GPUs). The 143 tokens of Llama Guard 3's policy
# then add 9 to an example's own 60 to 80. Larger groups save little more, and show fewer policies.
DEFAULT_GROUP_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareConfig:
    """How records become examples.

    `fields` says where the labels are, `category_map` what the policy calls their categories, and `target` whose
    message they are about (None: as found in the data). Each record gives one example under the policy as it is, and
    `copies` augmented ones. So many consecutive records as `group_size` share the variants of the policy, so that
    training evaluates the policy once for all of them.
    """

    template: Template
    taxonomy: Taxonomy
    category_map: CategoryMap = field(default_factory=CategoryMap)
    fields: FieldSpec = field(default_factory=FieldSpec)
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    copies: int = 1
    group_size: int = DEFAULT_GROUP_SIZE
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
    conversations = _labeled_conversations(records, config, evaluation, stats)
    while group := list(islice(conversations, config.group_size)):
        violated = {conversation.key: conversation.violated for conversation in group}
        for example in make_examples(
            group, config.template, config.taxonomy, config.augmentation, copies=config.copies, seed=config.seed
        ):
            stats.examples[example.label, example.kind] += 1
            stats.categories.update(id_ for id_ in violated[example.key] if id_ in example.original_ids)
            yield example


def _labeled_conversations(
    records: Iterable[Record | Malformed], config: PrepareConfig, evaluation: ContaminationIndex, stats: PrepareStats
) -> Iterator[LabeledConversation]:
    """Yield the conversations that can be trained on, and count the others."""
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
        yield conversation
