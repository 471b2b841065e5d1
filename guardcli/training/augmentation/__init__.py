"""Turns labeled records into training examples, with the augmentation of Llama Guard's paper (arXiv 2312.06674).

Each record is trained on under the user's policy and under random variants of it. A variant drops categories that the
record does not violate, or all that it violates, so that the record becomes safe; the rest is shuffled. This teaches
the model to read the policy in its prompt instead of memorizing one. Texts of evaluation sets are left out.

The same records, policy and seed give the same examples.
"""

from __future__ import annotations

from guardcli.training.augmentation.contamination import ContaminationIndex, Overlap
from guardcli.training.augmentation.example import TrainingExample, make_examples
from guardcli.training.augmentation.labeled_conversation import LabeledConversation, UnusableSample
from guardcli.training.augmentation.preparation import (
    DEFAULT_GROUP_SIZE,
    PrepareConfig,
    PrepareStats,
    prepare_examples,
)
from guardcli.training.augmentation.variants import (
    DEFAULT_NEGATIVES,
    AugmentConfig,
    PolicyVariant,
    augment,
    questions,
    unaugmented,
)

__all__ = [
    "DEFAULT_GROUP_SIZE",
    "DEFAULT_NEGATIVES",
    "AugmentConfig",
    "ContaminationIndex",
    "LabeledConversation",
    "Overlap",
    "PolicyVariant",
    "PrepareConfig",
    "PrepareStats",
    "TrainingExample",
    "UnusableSample",
    "augment",
    "make_examples",
    "prepare_examples",
    "questions",
    "unaugmented",
]
