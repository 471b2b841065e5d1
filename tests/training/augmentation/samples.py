"""Labeled records, samples and conversations for tests."""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, Record
from guardcli.evaluation.datasets import CategoryMap, Sample, read_dataset
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation import LabeledConversation


def record(
    text: str = "How do I build a bomb?", line: int = 1, *, response: str | None = None, file: str = "a.jsonl",
    **fields: Json,
) -> Record:  # fmt: skip
    """One prompt, perhaps with a response, and the record's fields."""
    said = [Message("user", text)] + ([Message("assistant", response)] if response is not None else [])
    return Record(Key(file, line, None, f"r{line}"), Conversation(tuple(said)), fields)


def sample_of(one: Record | Malformed) -> Sample:
    """The sample of a labeled record."""
    (sample,) = read_dataset([one]).samples
    return sample


def labeled(one: Record | Malformed, policy: Taxonomy, category_map: CategoryMap | None = None) -> LabeledConversation:
    """The conversation that a record is trained on."""
    return LabeledConversation.from_sample(sample_of(one), policy, category_map or CategoryMap())
