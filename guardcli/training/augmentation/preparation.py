"""Prepares the training examples of a data set, and counts what became of each record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from guardcli.conversation import Key, Malformed, Record, Role
from guardcli.errors import InputError, setting
from guardcli.evaluation.datasets import (
    CategoryMap,
    FieldSpec,
    LabelTarget,
    Sample,
    has_field,
    missing_field_message,
    read_dataset,
)
from guardcli.prompts import Template
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation.contamination import ContaminationIndex, Overlap
from guardcli.training.augmentation.example import TrainingExample, make_examples
from guardcli.training.augmentation.labeled_conversation import LabeledConversation, UnusableSample
from guardcli.training.augmentation.pairs import group_conversations, read_pair
from guardcli.training.augmentation.variants import AugmentConfig
from guardcli.training.augmentation.weights import balance_labels, read_weight

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

    `weight_field` is the path of a record's weight (None: all weigh 1); with `balance`, the weights are scaled so that
    safe and unsafe examples count alike. `pair_field` is the path of what names a record's contrast pair, whose records
    come into one group.
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
    weight_field: str | None = None
    pair_field: str | None = None
    balance: bool = False


@dataclass(slots=True)
class PrepareStats:
    """Counts of a preparation.

    The number of records, of examples by label and kind, and of examples that violate each category of the user's
    policy; the sum of the examples' weights by label; the records that were skipped, by reason, and those that an
    evaluation set has too.
    """

    num_records: int = 0
    examples: Counter[tuple[str, str]] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    weights: dict[str, float] = field(default_factory=lambda: {"safe": 0.0, "unsafe": 0.0})
    skipped: Counter[str] = field(default_factory=Counter)
    overlaps: list[tuple[Key, Overlap]] = field(default_factory=list)


def prepare_examples(
    records: Iterable[Record | Malformed], config: PrepareConfig, evaluation: ContaminationIndex, stats: PrepareStats
) -> Iterator[TrainingExample]:
    """Yield the examples of all records in order, and update `stats`.

    Records that overlap with an evaluation set are left out.

    Raises:
        InputError: a label, a weight or a pair cannot be understood, no record has a field that `config` names, or
            there is nothing to balance.
    """
    examples = _unbalanced_examples(records, config, evaluation, stats)
    for example in balance_labels(list(examples)) if config.balance else examples:
        stats.weights[example.label] += example.weight
        yield example


def _unbalanced_examples(
    records: Iterable[Record | Malformed], config: PrepareConfig, evaluation: ContaminationIndex, stats: PrepareStats
) -> Iterator[TrainingExample]:
    conversations = _labeled_conversations(records, config, evaluation, stats)
    for group in group_conversations(conversations, config.group_size):
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
    for name, path in (("weight_field", config.weight_field), ("pair_field", config.pair_field)):
        if path is not None:
            _check_field(setting(f"PrepareConfig.{name}", path), path, dataset.samples)
    for sample in dataset.samples:
        try:
            conversation = LabeledConversation.from_sample(
                sample,
                config.taxonomy,
                config.category_map,
                target=config.target,
                as_user=config.as_user,
                speakers=config.template.judges,
                weight=_weight(sample, config),
                pair=_pair(sample, config),
            )
        except UnusableSample as reason:
            stats.skipped[str(reason)] += 1
            continue
        overlap = evaluation.find_overlap(conversation.turns)
        if overlap is not None:
            stats.overlaps.append((conversation.key, overlap))
            continue
        yield conversation


def _check_field(option: str, path: str, samples: Sequence[Sample]) -> None:
    """Raise InputError if there are samples, and none has the field that an option names."""
    if samples and not any(has_field(sample.fields, path) for sample in samples):
        raise InputError(missing_field_message(option, path, samples[0].fields), code="option/field-not-found")


def _weight(sample: Sample, config: PrepareConfig) -> float:
    if config.weight_field is None:
        return 1.0
    try:
        return read_weight(sample.fields, config.weight_field)
    except ValueError as error:
        raise InputError(f"{sample.key.location}: {error}", code="tune/invalid-weight") from None


def _pair(sample: Sample, config: PrepareConfig) -> str | None:
    if config.pair_field is None:
        return None
    try:
        return read_pair(sample.fields, config.pair_field)
    except ValueError as error:
        raise InputError(f"{sample.key.location}: {error}", code="record/wrong-type") from None
